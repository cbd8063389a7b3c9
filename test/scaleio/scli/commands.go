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
}
