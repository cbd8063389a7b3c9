package scaleio_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/scaleio"
)

// rest is a gateway as far as its documented bodies go.
type rest struct {
	t  *testing.T
	mu sync.Mutex

	version string
	token   string
	logins  int
	posts   []string
	answers map[string]string // path -> body of a GET
	refuse  map[string]string // path -> body of an error
	hang    bool
}

const domainLinks = `"links":[{"rel":"/api/System/relationship/ProtectionDomain","href":"/api/instances/System::3ef46cbf2aaf5d0f/relationships/ProtectionDomain"}]`

func newREST(t *testing.T) (*rest, string) {
	t.Helper()
	r := &rest{t: t, version: "3.6", refuse: map[string]string{}, answers: map[string]string{
		"/api/types/System/instances":                                            `[{"id":"0000000000000001","name":null,"links":[]},{"id":"3ef46cbf2aaf5d0f","name":"alpha",` + domainLinks + `}]`,
		"/api/instances/System::3ef46cbf2aaf5d0f/relationships/ProtectionDomain": `[{"id":"d1","name":"pd1","protectionDomainState":"Active","links":[]}]`,
		"/api/types/FaultSet/instances":                                          `[{"id":"f1","name":"az-1","protectionDomainId":"d1","links":[]}]`,
		"/api/types/Sds/instances": `[{"id":"s1","name":"node-1","protectionDomainId":"d1","faultSetId":"f1","ipList":[{"ip":"10.0.0.1","role":"all"}],"port":7072,
			"sdsState":"Normal","membershipState":"Joined","mdmConnectionState":"Connected","maintenanceState":"NoMaintenance","links":[]},
			{"id":"s2","name":"node-2","protectionDomainId":"d1","faultSetId":null,"ipList":[{"ip":"10.0.0.2","role":"all"}],"membershipState":"Joined","mdmConnectionState":"Disconnected","links":[]}]`,
		"/api/types/Device/instances":                               `[{"id":"v1","name":"vol-1","sdsId":"s1","storagePoolId":"p1","deviceCurrentPathName":"/dev/xvdf","deviceOriginalPathName":"/dev/xvdf","deviceState":"Normal","maxCapacityInKb":125829120,"links":[]}]`,
		"/api/instances/System::3ef46cbf2aaf5d0f/relationships/Sdc": `[{"id":"c1","sdcGuid":"B0E3BFB8-C20B-43BF-93C8-13339E85AA50","sdcIp":"10.0.0.1","mdmConnectionState":"Connected","links":[]}]`,
		"/api/types/StoragePool/instances": `[{"id":"p1","name":"sp1","protectionDomainId":"d1","sparePercentage":34,"zeroPaddingEnabled":true,"mediaType":"HDD",
			"links":[{"rel":"/api/StoragePool/relationship/Statistics","href":"/api/instances/StoragePool::p1/relationships/Statistics"}]}]`,
		"/api/instances/StoragePool::p1/relationships/Statistics": `{"maxCapacityInKb":1000,"spareCapacityInKb":340,"capacityInUseInKb":100,"protectedCapacityInKb":90,"degradedHealthyCapacityInKb":7,"degradedFailedCapacityInKb":1,
			"failedCapacityInKb":2,"unreachableUnusedCapacityInKb":3,"activeFwdRebuildCapacityInKb":4,"pendingBckRebuildCapacityInKb":5,"numOfVolumes":6}`,
		"/api/types/Volume/instances": `[{"id":"w1","name":"a","storagePoolId":"p1","sizeInKb":8,"ancestorVolumeId":null,"mappedSdcInfo":[{"sdcId":"c1","sdcIp":"10.0.0.1"},{"sdcId":"c9","sdcIp":"10.0.0.9"}],"links":[]},
			{"id":"w2","name":"b","storagePoolId":"p1","sizeInKb":16,"ancestorVolumeId":null,"mappedSdcInfo":null,"links":[]},{"id":"w3","name":"c","storagePoolId":"p1","sizeInKb":8,"ancestorVolumeId":"w1","mappedSdcInfo":[{"sdcId":"c1","sdcIp":"10.0.0.1"}],"links":[]}]`,
	}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, server.URL
}

func (r *rest) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.hang {
		<-req.Context().Done()
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	fail := func(status int, body string) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
	user, pass, _ := req.BasicAuth()
	unauthorized := `{"message":"Unauthorized","httpStatusCode":401,"errorCode":0}`
	switch {
	case req.URL.Path == "/api/login":
		r.logins++
		if user != "admin" || pass != password {
			fail(401, unauthorized)
			return
		}
		r.token = fmt.Sprintf("token-%d", r.logins)
		_, _ = fmt.Fprintf(w, "%q", r.token)
		return
	case req.URL.Path == "/api/version":
		_, _ = fmt.Fprintf(w, "%q", r.version)
		return
	case r.token == "" || pass != r.token:
		fail(401, unauthorized)
		return
	}
	if accept := req.Header.Get("Accept"); strings.Count(accept, ".") > 1 {
		fail(404, `{"message":"three part versions are refused","httpStatusCode":404,"errorCode":0}`)
		return
	}
	if body, refused := r.refuse[req.URL.Path]; refused {
		fail(500, body)
		return
	}
	if req.Method == http.MethodGet {
		body, ok := r.answers[req.URL.Path]
		if !ok {
			fail(404, `{"message":"not here","httpStatusCode":404,"errorCode":0}`)
			return
		}
		_, _ = io.WriteString(w, body)
		return
	}
	var body any
	assert.NoError(r.t, json.NewDecoder(req.Body).Decode(&body))
	compact, _ := json.Marshal(body)
	r.posts = append(r.posts, req.URL.Path+" "+string(compact))
	_, _ = io.WriteString(w, `{"id":"new"}`)
}

func open(t *testing.T, url, pass string) *scaleio.GatewayClient {
	t.Helper()
	g, err := scaleio.NewGatewayClient(url, "3ef46cbf2aaf5d0f", scaleio.Credentials{User: "admin", Password: secret(pass)})
	require.NoError(t, err)
	return g
}

func TestGateway_readsTheObjectsOfItsSystem(t *testing.T) {
	_, url := newREST(t)
	o, err := open(t, url, password).Objects(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "3ef46cbf2aaf5d0f", o.SystemID)
	assert.Equal(t, "alpha", o.SystemName)
	assert.Equal(t, "3.6", o.Version)
	assert.Equal(t, []scaleio.DomainObject{{ID: "d1", Name: "pd1", State: "Active"}}, o.Domains)
	sds, ok := o.SDS("node-1")
	require.True(t, ok)
	assert.Equal(t, scaleio.SDSObject{ID: "s1", Name: "node-1", DomainID: "d1", FaultSetID: "f1", IPs: []string{"10.0.0.1"}, Connection: "Connected", Membership: "Joined",
		State: "Normal", Maintenance: "NoMaintenance"}, sds)
	other, _ := o.SDS("node-2")
	assert.Empty(t, other.FaultSetID)
	assert.Equal(t, int64(120<<30), o.DevicesOf("s1")[0].SizeBytes)
	pool, ok := o.Pool("d1", "sp1")
	require.True(t, ok)
	assert.Equal(t, int64(557<<10), pool.Figures.FreeBytes, "what is lost isn't free")
	assert.Equal(t, int64(90<<10), pool.Figures.ProtectedBytes)
	assert.Equal(t, int64(8<<10), pool.Figures.DegradedBytes)
	assert.Equal(t, int64(9<<10), pool.Figures.RebuildBytes)
	assert.Equal(t, int64(3<<10), pool.Figures.UnreachedBytes)
	assert.Equal(t, int64(24<<10), pool.Figures.ProvisionedBytes, "snapshots share what they hold")
	assert.Equal(t, "10.0.0.1", o.SDCs[0].IP)
	assert.Equal(t, 2, o.SDCs[0].Volumes, "a snapshot counts")
}

func TestGateway_neverTakesAnotherSystem(t *testing.T) {
	r, url := newREST(t)
	r.answers["/api/types/System/instances"] = `[{"id":"0000000000000001","name":null,"links":[]}]`
	_, err := open(t, url, password).Objects(t.Context())
	assert.ErrorContains(t, err, "doesn't show system 3ef46cbf2aaf5d0f")
	_, err = scaleio.NewGatewayClient(url, "", scaleio.Credentials{})
	assert.Error(t, err)
	_, err = scaleio.NewGatewayClient("https://api.example.com/api", "x", scaleio.Credentials{})
	assert.Error(t, err, "goscaleio would cut the host's name")
}

func TestGateway_bodies(t *testing.T) {
	r, url := newREST(t)
	g, ctx := open(t, url, password), t.Context()
	require.NoError(t, g.AddDomain(ctx, "pd1"))
	require.NoError(t, g.AddPool(ctx, scaleio.NewPool{DomainID: "d1", Name: "sp1", MediaType: "HDD", SparePercent: 34, ZeroPadding: true}))
	require.NoError(t, g.SetZeroPadding(ctx, "p1", true))
	require.NoError(t, g.SetSparePercent(ctx, "p1", 34))
	require.NoError(t, g.AddFaultSet(ctx, "d1", "az-1"))
	require.NoError(t, g.AddSDS(ctx, scaleio.NewSDS{DomainID: "d1", Name: "node-1", FaultSetID: "f1", IPs: []string{"10.0.0.1", "10.1.0.1"}}))
	require.NoError(t, g.AddDevice(ctx, scaleio.NewDevice{SDSID: "s1", PoolID: "p1", Name: "vol-1", Path: "/dev/xvdf"}))
	assert.Equal(t, []string{
		`/api/types/ProtectionDomain/instances {"name":"pd1"}`,
		`/api/types/StoragePool/instances {"mediaType":"HDD","name":"sp1","protectionDomainId":"d1","sparePercentage":"34","zeroPaddingEnabled":"TRUE"}`,
		`/api/instances/StoragePool::p1/action/setZeroPaddingPolicy {"zeroPadEnabled":"TRUE"}`,
		`/api/instances/StoragePool::p1/action/setSparePercentage {"sparePercentage":"34"}`,
		`/api/types/FaultSet/instances {"name":"az-1","protectionDomainId":"d1"}`,
		`/api/types/Sds/instances {"faultSetId":"f1","name":"node-1","protectionDomainId":"d1","rmcacheEnabled":"FALSE","sdsIpList":[{"SdsIp":{"ip":"10.0.0.1","role":"all"}},{"SdsIp":{"ip":"10.1.0.1","role":"all"}}]}`,
		`/api/types/Device/instances {"deviceCurrentPathname":"/dev/xvdf","name":"vol-1","sdsId":"s1","storagePoolId":"p1"}`,
	}, r.posts)
	assert.Equal(t, 1, r.logins)
}

func TestGateway_logsInOnceMoreAfterARestartAndThenGivesUp(t *testing.T) {
	r, url := newREST(t)
	g := open(t, url, password)
	require.NoError(t, g.AddDomain(t.Context(), "a"))
	r.token = "" // restarted
	require.NoError(t, g.AddDomain(t.Context(), "b"))
	assert.Equal(t, 2, r.logins)
	assert.Len(t, r.posts, 2)

	wrong := open(t, url, "wrong")
	err := wrong.AddDomain(t.Context(), "c")
	assert.Equal(t, scaleio.KindNotAuthenticated, scaleio.KindOf(err), "%v", err)
	assert.NotContains(t, err.Error(), "wrong\"")
	assert.Equal(t, 3, r.logins, "a wrong password is tried once")
}

func TestGateway_refusalsHaveAKind(t *testing.T) {
	r, url := newREST(t)
	r.refuse["/api/types/Sds/instances"] = `{"message":"The SDS is not listening on the specified port. Please check the SDS port configuration and try again","httpStatusCode":500,"errorCode":643}`
	err := open(t, url, password).AddSDS(t.Context(), scaleio.NewSDS{Name: "n", IPs: []string{"10.0.0.1"}})
	assert.Equal(t, scaleio.KindBusy, scaleio.KindOf(err))
	r.refuse["/api/types/Device/instances"] = `{"message":"Adding a device takes too long. This might indicate a problematic device","httpStatusCode":500,"errorCode":691}`
	err = open(t, url, password).AddDevice(t.Context(), scaleio.NewDevice{})
	assert.Equal(t, scaleio.KindSlow, scaleio.KindOf(err))
}

func TestGateway_unknownVersionIsReadOnly(t *testing.T) {
	r, url := newREST(t)
	r.version = "4.5"
	err := open(t, url, password).AddDomain(t.Context(), "a")
	_, is := scaleio.UnknownDialect(err)
	assert.True(t, is, "%v", err)
	assert.Empty(t, r.posts)
}

func TestGateway_isBoundedByTheContext(t *testing.T) {
	r, url := newREST(t)
	r.hang = true
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	assert.ErrorIs(t, open(t, url, password).AddDomain(ctx, "a"), context.DeadlineExceeded)
}

// goscaleio isn't safe for two goroutines; this client is. Run with -race.
func TestGateway_manyAtOnce(t *testing.T) {
	r, url := newREST(t)
	g := open(t, url, password)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() { assert.NoError(t, g.AddDomain(t.Context(), fmt.Sprint(i))) })
	}
	all.Wait()
	assert.Len(t, r.posts, 8)
}

// What goscaleio prints to standard output would end in the agent's journal among the agent's own lines.
func TestGateway_printsNothing(t *testing.T) {
	_, url := newREST(t)
	old := os.Stdout
	read, write, err := os.Pipe()
	require.NoError(t, err)
	os.Stdout = write
	g := open(t, url, password)
	_, readErr := g.Objects(t.Context())
	addErr := g.AddDomain(t.Context(), "a")
	os.Stdout = old
	require.NoError(t, write.Close())
	said, err := io.ReadAll(read)
	require.NoError(t, err)
	require.NoError(t, readErr)
	require.NoError(t, addErr)
	assert.Empty(t, string(said))
}

func TestCheckLogin(t *testing.T) {
	_, url := newREST(t)
	in, err := scaleio.CheckLogin(t.Context(), http.DefaultClient, url, scaleio.Credentials{User: "admin", Password: secret(password)})
	require.NoError(t, err)
	assert.True(t, in)
	in, err = scaleio.CheckLogin(t.Context(), http.DefaultClient, url, scaleio.Credentials{User: "admin", Password: secret("no")})
	require.NoError(t, err)
	assert.False(t, in)
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(500)
		_, _ = io.WriteString(w, `{"message":"The system is busy. Retry later","httpStatusCode":500,"errorCode":707}`)
	}))
	defer busy.Close()
	_, err = scaleio.CheckLogin(t.Context(), http.DefaultClient, busy.URL, scaleio.Credentials{})
	assert.Equal(t, scaleio.KindBusy, scaleio.KindOf(err), "an answer that isn't a no is no no")
}

// goscaleio's headers are variables of its package: two clients in one process must not be in it at once (the race detector tells).
func TestGateway_twoClientsOfOneProcess(t *testing.T) {
	var wait sync.WaitGroup
	for range 2 {
		_, url := newREST(t)
		client, err := scaleio.NewGatewayClient(url, "3ef46cbf2aaf5d0f", scaleio.Credentials{User: "admin", Password: secret(password)})
		require.NoError(t, err)
		for range 3 {
			wait.Go(func() {
				_, err := client.Objects(t.Context())
				assert.NoError(t, err)
			})
		}
	}
	wait.Wait()
}

func TestGateway_removes(t *testing.T) {
	r, url := newREST(t)
	g := open(t, url, password)
	require.NoError(t, g.RemoveSDS(t.Context(), "s2"))
	require.NoError(t, g.RemoveSDC(t.Context(), "c1"))
	assert.Equal(t, []string{"/api/instances/Sds::s2/action/removeSds {}", "/api/instances/Sdc::c1/action/removeSdc {}"}, r.posts, "no force")
	r.refuse["/api/instances/Sds::s2/action/removeSds"] = `{"message":"The SDS is already being removed","httpStatusCode":500,"errorCode":1}`
	assert.Error(t, g.RemoveSDS(t.Context(), "s2"))
}
