package installer_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// Kernels of the tests: the one that runs, and the one that an update brings.
const (
	runningKernel = "5.15.0-122-generic"
	newerKernel   = "5.15.0-130-generic"
	mirrorURL     = "https://mirror/modules"
)

// onMirror puts a module where the vendor's layout has it.
func onMirror(n *installertest.Node, kernel string, body []byte) {
	n.Spec.ModuleMirror = mirrorURL
	n.Download.Serve(mirrorURL+"/Ubuntu22.04/3.6.700.103/"+kernel+"/scini.tar", body)
}

// inManifest lists a prebuilt module.
func inManifest(n *installertest.Node, kernel string, body []byte) {
	sum := sha256.Sum256(body)
	url := "http://mirror/scini-" + kernel + ".ko"
	n.Spec.Modules = append(n.Spec.Modules, api.KernelModule{OS: n.Facts.OS, SDCVersion: installertest.Version, Kernel: kernel, URL: url, Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])})
	n.Download.Serve(url, body)
}

// installKernel that the next boot takes.
func installKernel(n *installertest.Node, kernel string) {
	n.Files.Set("/boot/vmlinuz-"+kernel, "", 0o600)
}

func withoutModule(*testing.T) *installertest.Node {
	n := one()
	n.WithoutModule = true
	return n
}

// packed as the vendor's repository has it: the module and its signature.
func packed(t *testing.T, module []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range []struct {
		name string
		body []byte
	}{{"scini.ko.sig", []byte("signature")}, {"scini.ko", module}} {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.body))}))
		_, err := w.Write(f.body)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

var quietLog = slog.New(slog.DiscardHandler)

var drvCfgGUID = platform.Cmd{Path: scaleio.PathDrvCfg, Args: []string{"--query_guid"}}
