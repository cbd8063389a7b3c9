package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dell/goscaleio"
	types "github.com/dell/goscaleio/types/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/scaleio/gateway"
	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/scaleiotest"
)

const (
	adminPassword   = "Scaleio-1"
	gatewayPassword = "Gateway-1"
	port            = 8443
)

// The vendor's client verifies against the system's roots, which a process reads once: so the gateway's certificate must be there first.
func TestMain(m *testing.M) {
	root, err := os.MkdirTemp("", "gateway-test-")
	if err != nil {
		panic(err)
	}
	opt := gateway.Options{Root: root, Listen: string(network.IP(11)), Port: port}
	if err := gateway.Configure(opt, gatewayPassword); err != nil {
		panic(err)
	}
	options = opt
	if err := os.Setenv("SSL_CERT_FILE", filepath.Join(root, "opt/emc/scaleio/gateway/conf/certificates/gateway.pem")); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(root)
	os.Exit(code)
}

var (
	network = scaleiotest.NewNetwork()
	options gateway.Options
)

// started is a 3_node cluster with three SDSs, and a gateway that knows a dead address, the slave and the master.
func started(t *testing.T) ([]*scaleiotest.MDM, []*scaleiotest.SDS, string) {
	mdms := scaleiotest.MDMs(t, network, true, true, false)
	sdss := scaleiotest.SDSs(t, network, 3)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	first, err := mgmt.Dial(ctx, "test", mgmt.Address(mdms[0].IP, 9011), scaleiotest.TrustAll())
	require.NoError(t, err)
	require.NoError(t, first.Call(ctx, "", mgmt.CmdCreateCluster, mgmt.CreateCluster{Name: "mdm1", IPs: []string{mdms[0].IP}, AcceptLicense: true}, nil))
	master, err := mgmt.FindMaster(ctx, "test", []string{mdms[0].IP}, scaleiotest.TrustAll())
	require.NoError(t, err)
	var in mgmt.LoggedIn
	require.NoError(t, master.Call(ctx, "", mgmt.CmdLogin, mgmt.Login{User: "admin", Password: "admin"}, &in))
	require.NoError(t, master.Call(ctx, in.Session, mgmt.CmdSetPassword, mgmt.SetPassword{Old: "admin", New: adminPassword}, nil))
	setProperties(t, "mdm.ip.addresses="+strings.Join([]string{network.IP(99), mdms[1].IP, mdms[0].IP}, ","))
	server := gateway.New(options)
	serving, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(serving) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-done) })
	endpoint := fmt.Sprintf("https://%s:%d", options.Listen, port)
	require.Eventually(t, func() bool {
		response, err := http.Get(endpoint + "/api/version")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return strings.TrimSpace(string(body)) == `"3.6"`
	}, 10*time.Second, 10*time.Millisecond)
	return mdms, sdss, endpoint
}

func setProperties(t *testing.T, lines ...string) {
	t.Helper()
	name := filepath.Join(options.Root, "opt/emc/scaleio/gateway/webapps/ROOT/WEB-INF/classes/gatewayUser.properties")
	file, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(strings.Join(lines, "\n") + "\n")
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

// trustMDMs does what an operator does once per MDM instead of bypassing the check.
func trustMDMs(t *testing.T, endpoint string, ips ...string) {
	t.Helper()
	token := basicGet(t, endpoint+"/api/gatewayLogin", "admin", gatewayPassword)
	for _, ip := range ips {
		var pem string
		require.NoError(t, json.Unmarshal([]byte(basicGet(t, endpoint+"/api/getHostCertificate/Mdm?host="+ip, "", unquote(token))), &pem))
		body := "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"c.pem\"\r\n\r\n" + pem + "\r\n--x--\r\n"
		request, err := http.NewRequest(http.MethodPost, endpoint+"/api/trustHostCertificate/Mdm", strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		request.SetBasicAuth("", unquote(token))
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		_ = response.Body.Close()
		require.Equal(t, http.StatusOK, response.StatusCode)
	}
}

func unquote(text string) string { return strings.Trim(strings.TrimSpace(text), `"`) }

func basicGet(t *testing.T, url, user, password string) string {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	request.SetBasicAuth(user, password)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, string(body))
	return string(body)
}

// A cluster brought up over REST by the vendor's own client, then its volume's life.
func TestGoscaleio(t *testing.T) {
	mdms, sdss, endpoint := started(t)
	client, err := goscaleio.NewClientWithArgs(endpoint, "", 30, false, true)
	require.NoError(t, err)
	login := &goscaleio.ConfigConnect{Endpoint: endpoint, Username: "admin", Password: adminPassword}
	_, err = client.Authenticate(login)
	require.ErrorContains(t, err, "Could not connect to MDM", "no MDM's certificate is trusted yet")
	trustMDMs(t, endpoint, mdms[0].IP, mdms[1].IP)
	_, err = client.Authenticate(&goscaleio.ConfigConnect{Endpoint: endpoint, Username: "admin", Password: "wrong"})
	require.ErrorContains(t, err, "Unauthorized")
	_, err = client.Authenticate(login)
	require.NoError(t, err)
	require.NotEmpty(t, client.GetToken())

	systems, err := client.GetSystems()
	require.NoError(t, err)
	require.Len(t, systems, 1)
	system, err := client.FindSystem(systems[0].ID, "", "")
	require.NoError(t, err)
	formOverREST(t, system, mdms)
	pool := fillOverREST(t, system, sdss)
	volumeOverREST(t, client, system, pool)

	// The master dies: the token's session dies with it, the client logs in again by itself.
	mdms[0].Kill()
	require.Eventually(t, func() bool {
		cluster, err := system.GetMDMClusterDetails()
		return err == nil && cluster.ClusterState == "ClusteredDegraded" && cluster.PrimaryMDM.Name == "mdm2"
	}, 10*time.Second, 50*time.Millisecond)
	users(t, system)
}

func formOverREST(t *testing.T, system *goscaleio.System, mdms []*scaleiotest.MDM) {
	t.Helper()
	slave, err := system.AddStandByMdm(&types.StandByMdm{Name: "mdm2", IPs: []string{mdms[1].IP}, ManagementIPs: []string{mdms[1].IP}, Role: "Manager"})
	require.NoError(t, err)
	tb, err := system.AddStandByMdm(&types.StandByMdm{Name: "tb1", IPs: []string{mdms[2].IP}, Role: "TieBreaker"})
	require.NoError(t, err)
	require.NoError(t, system.SwitchClusterMode(&types.SwitchClusterMode{Mode: "ThreeNodes", AddSecondaryMdms: []string{slave}, AddTBMdms: []string{tb}}))
	require.Eventually(t, func() bool {
		cluster, err := system.GetMDMClusterDetails()
		return err == nil && cluster.ClusterState == "ClusteredNormal" && cluster.ClusterMode == "ThreeNodes" && cluster.GoodReplicasNum == 2
	}, 10*time.Second, 20*time.Millisecond)
	cluster, err := system.GetMDMClusterDetails()
	require.NoError(t, err)
	assert.Equal(t, "mdm1", cluster.PrimaryMDM.Name)
	require.Len(t, cluster.SecondaryMDM, 1)
	assert.Equal(t, []string{mdms[1].IP}, cluster.SecondaryMDM[0].IPs)
	require.Len(t, cluster.TiebreakerMdm, 1)
}

func fillOverREST(t *testing.T, system *goscaleio.System, sdss []*scaleiotest.SDS) *goscaleio.StoragePool {
	t.Helper()
	_, err := system.CreateProtectionDomain("pd")
	require.NoError(t, err)
	_, err = system.CreateProtectionDomain("pd")
	var failure *types.Error
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, []any{141, 500, mgmt.DomainExists.Text}, []any{failure.ErrorCode, failure.HTTPStatusCode, failure.Message})
	found, err := system.FindProtectionDomainByName("pd")
	require.NoError(t, err)
	domain, err := system.GetProtectionDomainEx(found.ID)
	require.NoError(t, err)
	_, err = domain.CreateStoragePool(&types.StoragePoolParam{Name: "sp"})
	require.ErrorContains(t, err, "media type")
	id, err := domain.CreateStoragePool(&types.StoragePoolParam{Name: "sp", MediaType: "HDD"})
	require.NoError(t, err)
	require.NoError(t, domain.SetSparePercentage(id, "34"))
	require.NoError(t, domain.EnableOrDisableZeroPadding(id, "TRUE"))
	shown, err := domain.FindStoragePool("", "sp", "")
	require.NoError(t, err)
	assert.Equal(t, []any{34, true, "HDD"}, []any{shown.SparePercentage, shown.ZeroPaddingEnabled, shown.MediaType})
	client := goscaleioPool(t, system, shown)
	for i, s := range sdss {
		set, err := domain.CreateFaultSet(&types.FaultSetParam{Name: fmt.Sprintf("fs%d", i)})
		require.NoError(t, err)
		sds, err := domain.CreateSdsWithParams(&types.Sds{Name: fmt.Sprintf("sds%d", i), FaultSetID: set, IPList: []*types.SdsIP{{IP: s.IP, Role: "all"}}})
		require.NoError(t, err)
		device, err := client.AttachDevice(&types.DeviceParam{DeviceCurrentPathname: s.Disk, SdsID: sds})
		require.NoError(t, err)
		_, err = client.AttachDevice(&types.DeviceParam{DeviceCurrentPathname: s.Disk, SdsID: sds})
		require.ErrorAs(t, err, &failure)
		assert.Equal(t, 673, failure.ErrorCode)
		got, err := system.GetDevice(device)
		require.NoError(t, err)
		assert.Equal(t, s.Disk, got.DeviceCurrentPathName)
		assert.Equal(t, scaleiotest.DiskBytes>>10, got.MaxCapacityInKb)
	}
	all, err := system.GetAllSds()
	require.NoError(t, err)
	require.Len(t, all, 3)
	assert.Equal(t, []string{"Connected", "Joined", "Normal"}, []string{all[0].MdmConnectionState, all[0].MembershipState, all[0].SdsState})
	devices, err := system.GetAllDevice()
	require.NoError(t, err)
	require.Len(t, devices, 3)
	sets, err := system.GetAllFaultSets()
	require.NoError(t, err)
	assert.Len(t, sets, 3)
	stats, err := client.GetStatistics()
	require.NoError(t, err)
	assert.Equal(t, 3*scaleiotest.DiskBytes>>10, stats.MaxCapacityInKb)
	assert.Equal(t, 3, stats.NumOfDevices)
	return client
}

// goscaleioPool gives the pool a client, which the library only does for pools it found itself.
func goscaleioPool(t *testing.T, _ *goscaleio.System, shown *types.StoragePool) *goscaleio.StoragePool {
	t.Helper()
	client, err := goscaleio.NewClientWithArgs(fmt.Sprintf("https://%s:%d", options.Listen, port), "", 30, false, true)
	require.NoError(t, err)
	_, err = client.Authenticate(&goscaleio.ConfigConnect{Username: "admin", Password: adminPassword})
	require.NoError(t, err)
	return goscaleio.NewStoragePoolEx(client, shown)
}

func volumeOverREST(t *testing.T, client *goscaleio.Client, system *goscaleio.System, pool *goscaleio.StoragePool) {
	t.Helper()
	var failure *types.Error
	_, err := pool.CreateVolume(&types.VolumeParam{Name: "v", VolumeSizeInKb: fmt.Sprint(10 << 20), VolumeType: "ThinProvisioned"})
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, 225, failure.ErrorCode, "REST doesn't round")
	made, err := pool.CreateVolume(&types.VolumeParam{Name: "v", VolumeSizeInKb: fmt.Sprint(16 << 20), VolumeType: "ThinProvisioned"})
	require.NoError(t, err)
	volumes, err := client.GetVolume("", made.ID, "", "", false)
	require.NoError(t, err)
	require.Len(t, volumes, 1)
	assert.Equal(t, []any{"v", 16 << 20, "ThinProvisioned"}, []any{volumes[0].Name, volumes[0].SizeInKb, volumes[0].VolumeType})
	volume := goscaleio.NewVolume(client)
	volume.Volume = volumes[0]
	sdc, err := system.ApproveSdc(&types.ApproveSdcParam{SdcGUID: "4B1C5F4E-0000-4000-8000-000000000009", SdcIP: "10.0.0.9", Name: "sdc1"})
	require.NoError(t, err)
	require.NoError(t, volume.MapVolumeSdc(&types.MapVolumeSdcParam{SdcID: sdc.SdcID}))
	err = volume.MapVolumeSdc(&types.MapVolumeSdcParam{SdcID: sdc.SdcID})
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, 81, failure.ErrorCode)
	found, err := system.FindSdc("SdcGUID", "4B1C5F4E-0000-4000-8000-000000000009")
	require.NoError(t, err)
	mapped, err := found.GetVolume()
	require.NoError(t, err)
	require.Len(t, mapped, 1)
	err = volume.RemoveVolume("")
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, 104, failure.ErrorCode)
	require.NoError(t, volume.UnmapVolumeSdc(&types.UnmapVolumeSdcParam{SdcID: sdc.SdcID}))
	require.NoError(t, volume.RemoveVolume(""))
	_, err = client.GetVolume("", "", "", "v", false)
	require.ErrorContains(t, err, mgmt.NoVolume.Text)
}

func users(t *testing.T, system *goscaleio.System) {
	t.Helper()
	_, err := system.CreateUser(&types.UserParam{Name: "rexray", UserRole: "FrontEndConfigure", Password: "Rexray-1"})
	require.NoError(t, err)
	all, err := system.GetUser()
	require.NoError(t, err)
	require.Len(t, all, 2)
	assert.Equal(t, []any{"rexray", "FrontEndConfigure", true}, []any{all[1].Name, all[1].UserRole, all[1].PasswordChangeRequired})
}

// What clients of other versions send.
func TestProtocol(t *testing.T) {
	server := gateway.New(options).Handler()
	for name, c := range map[string]struct {
		path, accept string
		status       int
	}{
		"version needs no login":             {"/api/version", "", http.StatusOK},
		"three parts of a version":           {"/api/version", "application/json;version=3.6.1", http.StatusNotFound},
		"two parts":                          {"/api/version", "application/json;version=3.6", http.StatusOK},
		"no token":                           {"/api/types/System/instances", "", http.StatusUnauthorized},
		"no such path":                       {"/api/nonsense", "", http.StatusNotFound},
		"configuration is the gateway's own": {"/api/Configuration", "", http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequest(http.MethodGet, c.path, nil)
			require.NoError(t, err)
			request.Header.Set("Accept", c.accept)
			recorder := &response{header: http.Header{}}
			server.ServeHTTP(recorder, request)
			assert.Equal(t, c.status, max(recorder.status, http.StatusOK))
			if c.status != http.StatusOK {
				var body types.Error
				require.NoError(t, json.Unmarshal([]byte(recorder.body.String()), &body))
				assert.Equal(t, c.status, body.HTTPStatusCode)
			}
		})
	}
}

type response struct {
	header http.Header
	status int
	body   strings.Builder
}

func (r *response) Header() http.Header         { return r.header }
func (r *response) WriteHeader(status int)      { r.status = status }
func (r *response) Write(b []byte) (int, error) { return r.body.Write(b) }
