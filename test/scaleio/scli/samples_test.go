package scli_test

import (
	"encoding/json"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/scaleiotest"
	"scaleio-framework/test/scaleio/wire"
)

// ready runs what isn't the point of a test.
func (s *shell) ready(lines ...string) {
	s.t.Helper()
	for _, line := range lines {
		code, out, errs := s.run(line)
		require.Zero(s.t, code, "%s: %s%s", line, out, errs)
	}
}

func (s *shell) soon(line, want string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { _, out, _ := s.run(line); return strings.Contains(out, want) }, 10*time.Second, 10*time.Millisecond, "%s: %s", line, want)
}

// create makes a cluster of one and logs in.
func (s *shell) create(params string) {
	s.t.Helper()
	s.ready("--create_mdm_cluster --accept_license --approve_certificate " + params)
	s.login("admin")
	s.answers = []string{"admin", "Scaleio-1", "Scaleio-1"}
	s.ready("--set_password")
	s.login("Scaleio-1")
}

func standby(m *scaleiotest.MDM, role, name string) string {
	line := "--add_standby_mdm --new_mdm_ip " + m.IP + " --mdm_role " + role
	if name != "" {
		line += " --new_mdm_name " + name
	}
	if role == "manager" {
		line += " --new_mdm_management_ip " + m.IP
	}
	return line
}

// The cluster of the documented outputs: an unnamed system of three MDMs and two standbys, and storage without fault sets.
func TestSamples(t *testing.T) {
	s, network := newShell(t), scaleiotest.NewNetwork()
	m := scaleiotest.MDMs(t, network, true, true, false, true, false)
	s.mdms = m[0].IP
	s.create("--master_mdm_ip " + m[0].IP + " --master_mdm_management_ip " + m[0].IP + " --master_mdm_name Manager2")
	s.ready(standby(m[1], "manager", "Manager1"), standby(m[2], "tb", "Tie-Breaker1"),
		"--switch_cluster_mode --cluster_mode 3_node --add_slave_mdm_name Manager1 --add_tb_name Tie-Breaker1",
		standby(m[3], "manager", "M3"), standby(m[4], "tb", "T2"))
	s.soon("--query_cluster", "State: Normal")
	s.sample("query_cluster", "--query_cluster")

	const pool = " --protection_domain_name default --storage_pool_name default"
	s.ready("--add_protection_domain --protection_domain_name default", "--add_storage_pool --media_type HDD"+pool,
		"--modify_zero_padding_policy --disable_zero_padding"+pool, "--modify_spare_policy --i_am_sure --spare_percentage 34"+pool,
		"--set_rmcache_usage --use_rmcache --i_am_sure"+pool)
	s.sample("query_all_volumes-none", "--query_all_volumes")
	for i, sds := range scaleiotest.SDSs(t, network, 3) {
		name := "sds" + string(rune('1'+i))
		s.ready("--add_sds --protection_domain_name default --sds_ip "+sds.IP+" --sds_name "+name, "--add_sds_device --device_path "+sds.Disk+" --sds_name "+name+pool)
	}
	client(t, m[0].IP)
	s.ready("--add_volume --size_gb 8 --volume_name volume1"+pool, "--add_volume --size_gb 16 --thin_provisioned --volume_name volume2"+pool,
		"--map_volume_to_sdc --volume_name volume1 --sdc_guid "+clientGUID)

	thick, thin, none := "\tN thick-provisioned", "\tN thin-provisioned", "\tNo volumes"
	s.sample("query_all", "--query_all", "\tName:", none)
	s.sample("query_all_sds", "--query_all_sds")
	s.sample("query_sds", "--query_sds --sds_name sds1", "Fault Set:")
	s.sample("query_all_sdc-unrestricted", "--query_all_sdc")
	s.sample("query_all_volumes", "--query_all_volumes")
	s.sample("query_volume-unmapped", "--query_volume --volume_name volume2")
	s.propertySamples()
	s.ready("--map_volume_to_sdc --volume_name volume2 --sdc_guid "+clientGUID, "--set_restricted_sdc_mode --restricted_sdc_mode enabled")
	s.sample("query_volume", "--query_volume --volume_name volume2")
	s.sample("query_all_sdc", "--query_all_sdc")

	s.ready("--set_restricted_sdc_mode --restricted_sdc_mode disabled", "--rename_system --new_name tuc", "--unmap_volume_from_sdc --volume_name volume1 --all_sdc --i_am_sure",
		"--unmap_volume_from_sdc --volume_name volume2 --all_sdc --i_am_sure", "--remove_volume --volume_name volume1 --i_am_sure",
		"--remove_volume --volume_name volume2 --i_am_sure", "--add_user --username callhome --user_role Monitor")
	s.sample("query_all", "--query_all", thick, thin)
	s.sample("query_users", "--query_users")
	s.sample("query_properties-system", "--query_properties --object_type SYSTEM --all_objects --properties NAME,CAPACITY_ALERT_HIGH_THRESHOLD,CAPACITY_ALERT_CRITICAL_THRESHOLD")
}

func (s *shell) propertySamples() {
	s.t.Helper()
	for _, object := range []struct{ name, properties string }{
		{"SDS", "NAME,IPS,DEVICE_ID_LIST,PORT,FAULT_SET_ID,PROTECTION_DOMAIN_ID,RMCACHE_ENABLED,RMCACHE_SIZE,STATE,MEMBERSHIP_STATE,MDM_CONNECTION_STATE,MAINTENANCE_MODE_STATE"},
		{"DEVICE", "ORIGINAL_PATH,STORAGE_POOL_ID,SDS_ID,STATE,ERR_STATE"},
		{"STORAGE_POOL", "NAME,SPARE_PERCENT,ZERO_PADDING_ENABLED,USE_RMCACHE,USE_RFCACHE,DI_SCANNER_MODE,MAX_CAPACITY_IN_KB,UNUSED_CAPACITY_IN_KB,NUM_OF_VOLUMES"},
		{"PROTECTION_DOMAIN", "NAME,STATE"},
		{"SDC", "NAME,IP,APPROVED,GUID"},
	} {
		s.sample("query_properties-"+strings.ToLower(object.name), "--query_properties --object_type "+object.name+" --all_objects --properties "+object.properties)
	}
}

// Members without names, and one of them lost.
func TestSamples_unnamedMembers(t *testing.T) {
	s := newShell(t)
	m := scaleiotest.MDMs(t, scaleiotest.NewNetwork(), true, true, false)
	s.mdms = m[0].IP
	s.create("--master_mdm_ip " + m[0].IP + " --master_mdm_management_ip " + m[0].IP)
	s.ready(standby(m[1], "manager", ""), standby(m[2], "tb", ""),
		"--switch_cluster_mode --cluster_mode 3_node --add_slave_mdm_ip "+m[1].IP+" --add_tb_ip "+m[2].IP)
	s.soon("--query_cluster", "State: Normal")
	s.sample("query_cluster-unnamed", "--query_cluster")
	m[2].Kill()
	s.soon("--query_cluster", "State: Degraded")
	s.sample("query_cluster-tb_lost", "--query_cluster")
}

// Five MDMs with virtual addresses and a name for the system.
func TestSamples_fiveNodes(t *testing.T) {
	s := newShell(t)
	m := scaleiotest.MDMs(t, scaleiotest.NewNetwork(), true, true, true, false, false)
	s.mdms = m[0].IP
	s.create("--master_mdm_ip " + m[0].IP + " --master_mdm_management_ip " + m[0].IP + " --master_mdm_name Manager2" +
		" --cluster_virtual_ip 192.168.50.21,192.168.51.21 --master_mdm_virtual_ip_interface eth1,eth2")
	const virtual = " --new_mdm_virtual_ip_interface eth1,eth2"
	s.ready(standby(m[1], "manager", "Manager1")+virtual, standby(m[2], "manager", "Manager3")+virtual, standby(m[3], "tb", "Tie-Breaker1"), standby(m[4], "tb", "Tie-Breaker2"),
		"--switch_cluster_mode --cluster_mode 5_node --add_slave_mdm_name Manager1,Manager3 --add_tb_name Tie-Breaker1,Tie-Breaker2", "--rename_system --new_name tuc")
	s.soon("--query_cluster", "State: Normal")
	s.sample("query_cluster-5_node", "--query_cluster")
}

const clientGUID = "53023EC4-71C0-4E2F-A5A4-4D7C6C4F0001"

// client is an SDC reduced to being there.
func client(t *testing.T, master string) {
	t.Helper()
	conn, err := net.Dial("tcp", mgmt.Address(master, wire.PortMDMManagement))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, `{"client":"sdc"}`)
	require.NoError(t, err)
	require.NoError(t, json.NewEncoder(conn).Encode(wire.SDCRequest{Op: "register", Seq: 1, GUID: clientGUID, IP: "10.0.0.21", Build: mgmt.Version}))
	var answer wire.SDCAnswer
	require.NoError(t, json.NewDecoder(conn).Decode(&answer))
	require.Empty(t, answer.Error)
}
