package scli

type command struct {
	name   string
	params string
	sure   bool // asks for confirmation unless --i_am_sure
	run    func(*run) error
}

const (
	byDomain = " protection_domain_name protection_domain_id"
	byPool   = byDomain + " storage_pool_name storage_pool_id"
	bySDS    = " sds_name sds_id sds_ip"
	bySDC    = " sdc_name sdc_id sdc_ip sdc_guid"
	byVolume = " volume_name volume_id"
)

var commands map[string]command

func register(sure bool, name, params string, fn func(*run) error) {
	commands[name] = command{name: name, params: params, sure: sure, run: fn}
}

const (
	asks  = true
	plain = false
)

func init() {
	commands = map[string]command{}
	register(plain, "create_mdm_cluster", "master_mdm_ip! master_mdm_management_ip master_mdm_name cluster_virtual_ip master_mdm_virtual_ip_interface accept_license?", (*run).createCluster)
	register(plain, "query_cluster", "", (*run).queryCluster)
	register(plain, "login", "username! password", (*run).login)
	register(plain, "logout", "", (*run).logout)
	register(plain, "set_password", "old_password new_password", (*run).setPassword)
	register(plain, "add_standby_mdm", "new_mdm_ip! mdm_role! new_mdm_management_ip new_mdm_name new_mdm_port new_mdm_virtual_ip_interface force_clean?", (*run).addStandby)
	register(plain, "remove_standby_mdm", "remove_mdm_name remove_mdm_ip remove_mdm_id", (*run).removeStandby)
	register(plain, "switch_cluster_mode", "cluster_mode! add_slave_mdm_name add_slave_mdm_ip add_slave_mdm_id add_tb_name add_tb_ip add_tb_id remove_slave_mdm_name remove_slave_mdm_ip remove_slave_mdm_id remove_tb_name remove_tb_ip remove_tb_id", (*run).switchMode)
	register(plain, "switch_mdm_ownership", "new_master_mdm_name new_master_mdm_ip new_master_mdm_id", (*run).switchMaster)
	register(plain, "rename_mdm", "mdm_name mdm_id new_name!", (*run).renameMDM)
	register(plain, "rename_system", "new_name!", (*run).renameSystem)
	register(plain, "add_user", "username! user_role!", (*run).addUser)
	register(plain, "reset_password", "username!", (*run).resetPassword)
	register(asks, "delete_user", "username!", (*run).deleteUser)
	register(plain, "query_users", "", (*run).queryUsers)

	register(plain, "add_protection_domain", "protection_domain_name!", (*run).addDomain)
	register(plain, "rename_protection_domain", "protection_domain_name protection_domain_id new_name!", (*run).renameDomain)
	register(plain, "remove_protection_domain", byDomain, (*run).removeDomain)
	register(plain, "add_storage_pool", "storage_pool_name! media_type"+byDomain, (*run).addPool)
	register(plain, "remove_storage_pool", byPool, (*run).removePool)
	register(asks, "modify_spare_policy", "spare_percentage!"+byPool, (*run).modifySpare)
	register(plain, "modify_zero_padding_policy", "enable_zero_padding? disable_zero_padding?"+byPool, (*run).modifyZeroPadding)
	register(plain, "set_checksum_mode", "enable_checksum? disable_checksum?"+byPool, (*run).setChecksum)
	register(plain, "set_media_type", "media_type!"+byPool, (*run).setMediaType)
	register(asks, "set_rmcache_usage", "use_rmcache? dont_use_rmcache?"+byPool, (*run).setRMCache)
	register(asks, "set_rfcache_usage", "use_rfcache? dont_use_rfcache?"+byPool, (*run).setRFCache)
	register(plain, "set_rebuild_mode", "enable_rebuild? disable_rebuild?"+byPool, (*run).setRebuild)
	register(plain, "set_rebalance_mode", "enable_rebalance? disable_rebalance?"+byPool, (*run).setRebalance)
	register(plain, "add_fault_set", "fault_set_name!"+byDomain, (*run).addFaultSet)
	register(plain, "remove_fault_set", "fault_set_name fault_set_id"+byDomain, (*run).removeFaultSet)
	register(plain, "set_capacity_alerts_threshold", "capacity_high_threshold! capacity_critical_threshold! all_storage_pools? system_default?"+byPool, (*run).setThresholds)
	register(plain, "set_performance_parameters", "all_sds? all_sdc? apply_to_mdm? profile!", (*run).setProfile)
	register(plain, "set_restricted_sdc_mode", "restricted_sdc_mode!", (*run).setRestrictedSDC)

	register(plain, "add_sds", "sds_ip! sds_ip_role sds_name sds_port fault_set_name fault_set_id storage_pool_name storage_pool_id device_path device_name force_clean? no_test?"+byDomain, (*run).addSDS)
	register(plain, "remove_sds", bySDS, (*run).removeSDS)
	register(plain, "rename_sds", "new_name!"+bySDS, (*run).renameSDS)
	register(plain, "add_sds_device", "device_path! device_name no_test? test_time force_device_takeover?"+byPool+bySDS, (*run).addDevice)
	register(plain, "remove_sds_device", "device_path device_id device_name"+bySDS, (*run).removeDevice)
	register(plain, "enter_maintenance_mode", bySDS, (*run).enterMaintenance)
	register(plain, "exit_maintenance_mode", bySDS, (*run).exitMaintenance)

	register(plain, "add_volume", "size_gb! volume_name thin_provisioned? thick_provisioned? use_rmcache? dont_use_rmcache?"+byPool, (*run).addVolume)
	register(plain, "modify_volume_capacity", "size_gb!"+byVolume, (*run).growVolume)
	register(plain, "rename_volume", "new_name!"+byVolume, (*run).renameVolume)
	register(asks, "remove_volume", byVolume, (*run).removeVolume)
	register(plain, "map_volume_to_sdc", "allow_multi_map?"+byVolume+bySDC, (*run).mapVolume)
	register(asks, "unmap_volume_from_sdc", "all_sdc?"+byVolume+bySDC, (*run).unmapVolume)
	register(plain, "add_sdc", "sdc_ip sdc_guid sdc_name", (*run).addSDC)
	register(plain, "rename_sdc", "new_name!"+bySDC, (*run).renameSDC)
	register(asks, "remove_sdc", bySDC, (*run).removeSDC)

	register(plain, "query_all", "", (*run).queryAll)
	register(plain, "query_all_sds", "", (*run).queryAllSDS)
	register(plain, "query_sds", bySDS, (*run).querySDS)
	register(plain, "query_all_sdc", "", (*run).queryAllSDC)
	register(plain, "query_sdc", bySDC, (*run).querySDC)
	register(plain, "query_all_volumes", "", (*run).queryAllVolumes)
	register(plain, "query_volume", byVolume, (*run).queryVolume)
	register(plain, "query_storage_pool", byPool, (*run).queryPool)
	register(plain, "query_protection_domain", byDomain, (*run).queryDomain)
	register(plain, "query_properties", "object_type! all_objects? object_id properties preset", (*run).queryProperties)
}
