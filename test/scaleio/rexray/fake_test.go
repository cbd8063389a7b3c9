package rexray

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const thisSDC, otherSDC = "6b18479c00000001", "6b18479c00000002"

// fakeGateway keeps volumes and mappings as a gateway shows them.
type fakeGateway struct {
	*httptest.Server
	mu       sync.Mutex
	token    string
	logins   int
	volumes  map[string]*fakeVolume // by id
	password string
}

type fakeVolume struct {
	name, sizeKB, kind, pool string
	sdcs                     []string
}

func newFakeGateway(t *testing.T) *fakeGateway {
	g := &fakeGateway{volumes: map[string]*fakeVolume{}, password: "s3cret"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `"3.6.1"`) })
	mux.HandleFunc("GET /api/login", g.login)
	objects := map[string]string{
		"System":           `[{"id":"7366e3583838ca64","name":null}]`,
		"ProtectionDomain": `[{"id":"pd0","name":"pd0"},{"id":"pd1id","name":"pd1"}]`,
		"StoragePool":      `[{"id":"other","name":"sp1","protectionDomainId":"pd0"},{"id":"sp1id","name":"sp1","protectionDomainId":"pd1id"}]`,
		"Sdc":              `[{"id":"` + otherSDC + `","sdcGuid":"OTHER"},{"id":"` + thisSDC + `","sdcGuid":"B0E3BFB8"}]`,
	}
	for kind, list := range objects {
		mux.HandleFunc("GET /api/types/"+kind+"/instances", g.authorised(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, list) }))
	}
	mux.HandleFunc("GET /api/types/Volume/instances", g.authorised(g.list))
	mux.HandleFunc("POST /api/types/Volume/instances", g.authorised(g.create))
	mux.HandleFunc("POST /api/types/Volume/instances/action/queryIdByKey", g.authorised(g.query))
	mux.HandleFunc("GET /api/instances/{volume}", g.authorised(g.get))
	mux.HandleFunc("POST /api/instances/{volume}/action/{action}", g.authorised(g.act))
	g.Server = httptest.NewTLSServer(mux)
	g.Server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	t.Cleanup(g.Close)
	return g
}

func refuse(w http.ResponseWriter, status, code int, message string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"message":%q,"httpStatusCode":%d,"errorCode":%d}`, message, status, code)
}

func (g *fakeGateway) login(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.logins++
	if user, password, _ := r.BasicAuth(); user != "admin" || password != g.password {
		refuse(w, 401, 0, "Unauthorized")
		return
	}
	g.token = fmt.Sprintf("token%d", g.logins)
	fmt.Fprintf(w, "%q", g.token)
}

func (g *fakeGateway) authorised(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if _, token, _ := r.BasicAuth(); token != g.token || token == "" {
			refuse(w, 401, 0, "Unauthorized")
			return
		}
		if a := r.Header.Get("Accept"); a != "application/json;version=3.6" {
			refuse(w, 404, 0, "version "+a)
			return
		}
		next(w, r)
	}
}

func (g *fakeGateway) object(id string) map[string]any {
	v := g.volumes[id]
	mapped := []map[string]string{}
	for _, s := range v.sdcs {
		mapped = append(mapped, map[string]string{"sdcId": s})
	}
	return map[string]any{"id": id, "name": v.name, "storagePoolId": v.pool, "sizeInKb": json.RawMessage(v.sizeKB), "mappedSdcInfo": mapped}
}

func (g *fakeGateway) list(w http.ResponseWriter, _ *http.Request) {
	all := []any{}
	for id := range g.volumes {
		all = append(all, g.object(id))
	}
	_ = json.NewEncoder(w).Encode(all)
}

func (g *fakeGateway) create(w http.ResponseWriter, r *http.Request) {
	var b struct{ Name, VolumeSizeInKb, VolumeType, StoragePoolID, ProtectionDomainID string }
	if err := json.NewDecoder(r.Body).Decode(&b); err != nil || b.ProtectionDomainID != "pd1id" {
		refuse(w, 400, 0, "Request message is not valid")
		return
	}
	id := fmt.Sprintf("2f93c3ab%08d", len(g.volumes))
	g.volumes[id] = &fakeVolume{name: b.Name, sizeKB: b.VolumeSizeInKb, kind: b.VolumeType, pool: b.StoragePoolID}
	fmt.Fprintf(w, `{"id":%q}`, id)
}

func (g *fakeGateway) query(w http.ResponseWriter, r *http.Request) {
	var b struct{ Name string }
	_ = json.NewDecoder(r.Body).Decode(&b)
	for id, v := range g.volumes {
		if v.name == b.Name {
			fmt.Fprintf(w, "%q", id)
			return
		}
	}
	refuse(w, 500, 79, "Could not find the volume")
}

func (g *fakeGateway) get(w http.ResponseWriter, r *http.Request) {
	_ = json.NewEncoder(w).Encode(g.object(strings.TrimPrefix(r.PathValue("volume"), "Volume::")))
}

func (g *fakeGateway) act(w http.ResponseWriter, r *http.Request) {
	var b struct{ SdcID, RemoveMode string }
	_ = json.NewDecoder(r.Body).Decode(&b)
	id := strings.TrimPrefix(r.PathValue("volume"), "Volume::")
	v := g.volumes[id]
	switch r.PathValue("action") {
	case "addMappedSdc":
		if len(v.sdcs) > 0 {
			refuse(w, 500, 81, "The volume is already mapped to this SDC")
			return
		}
		v.sdcs = append(v.sdcs, b.SdcID)
	case "removeMappedSdc":
		v.sdcs = nil
	case "removeVolume":
		delete(g.volumes, id)
	}
	fmt.Fprint(w, "{}")
}

func (g *fakeGateway) only(t *testing.T) fakeVolume {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	require.Len(t, g.volumes, 1)
	for _, v := range g.volumes {
		return *v
	}
	return fakeVolume{}
}

// fakeHost has devices and mounts that are only remembered.
type fakeHost struct {
	mu        sync.Mutex
	fs        map[string]string // device -> file system
	mounts    map[string]string // dir -> device
	instance  int               // rises when the SDC makes its devices anew
	busy      bool
	lazy      int
	formatted int
}

func (h *fakeHost) GUID(context.Context) (string, error) { return "b0e3bfb8", nil }

func (h *fakeHost) Device(_ context.Context, systemID, volumeID string) (string, error) {
	return fmt.Sprintf("%s-%s", systemID, volumeID), nil
}

func (h *fakeHost) Prepare(_ context.Context, device, fsType string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fs[device] == "" {
		h.fs[device] = fsType
		h.formatted++
	}
	return h.fs[device], nil
}

func (h *fakeHost) Mount(device, dir, fsType string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fs[device] != fsType {
		return errors.New("wrong file system")
	}
	h.mounts[dir] = fmt.Sprintf("%s#%d", device, h.instance)
	return nil
}

func (h *fakeHost) Unmount(dir string, stale bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy && !stale {
		return errors.New("device or resource busy")
	}
	if stale {
		h.lazy++
	}
	delete(h.mounts, dir)
	return nil
}

func (h *fakeHost) Mounted(dir, device string) (bool, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, some := h.mounts[dir]
	return some, some && at == fmt.Sprintf("%s#%d", device, h.instance), nil
}
