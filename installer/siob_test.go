package installer_test

import (
	"context"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/installer/step/steptest"
	"scaleio-framework/systemd"
)

// wrapped makes the SDS package one of the vendor's Ubuntu archives, as far as it is whole.
func wrapped(t *testing.T, files ...string) (n *installertest.Node, sds func() step.Step) {
	t.Helper()
	n = one()
	p := packageOf(n, scaleio.SDS)
	deb := installer.PackageFile(*p)
	p.Format = "siob-tar"
	archive := installer.PackageFile(*p)
	require.Equal(t, path.Dir(archive)+"/emc-scaleio-sds_3.6-700.103.tar", archive)
	content := map[string]string{}
	for _, file := range files {
		content[file] = file
	}
	n.Archives.Provide(archive, content)
	const name = "EMC-ScaleIO-sds-3.6-700.103.Ubuntu.22.04.x86_64.deb"
	n.Packages.Provide(path.Dir(archive)+"/siob/"+name, n.Packages.Provided(deb))
	n.Jobs.Run = func(_ context.Context, job systemd.Job) error {
		if path.Base(job.Argv[0]) == "siob_extract" {
			require.Equal(t, []string{path.Dir(archive) + "/siob/siob_extract", "X.siob"}, job.Argv)
			n.Files.Set(path.Join(job.Dir, name), "the deb", 0o600)
		}
		return nil
	}
	return n, func() step.Step { return stepOf(t, n, "install-sds") }
}

func TestInstallPackage_fromTheVendorsArchive(t *testing.T) {
	n, sds := wrapped(t, "X.siob", "X.siob.sig", "siob_extract")
	before(t, n, "install-sds")
	require.NoError(t, sds().Apply(t.Context()))
	f, err := sds().Check(t.Context())
	require.NoError(t, err)
	assert.Equal(t, step.Satisfied, f.Verdict, f.Message)
	for file := range n.Files.Tree("/var/lib/scaleio-agent/packages") {
		assert.NotContains(t, file, "/siob/", "what was unpacked is gone")
	}
}

func TestInstallPackage_fromTheVendorsArchiveKeepsTheContract(t *testing.T) {
	steptest.Run(t, steptest.Contract{New: func(t *testing.T) steptest.World {
		n, sds := wrapped(t, "X.siob", "X.siob.sig", "siob_extract")
		before(t, n, "install-sds")
		n.Cutter.Heal()
		return steptest.World{Cutter: n.Cutter, Step: sds, Snapshot: func() map[string]string {
			all := n.Snapshot()
			for file := range all {
				if strings.Contains(file, "/siob/") { // a cut run's, which the next one removes
					delete(all, file)
				}
			}
			return all
		}}
	}})
}

func TestInstallPackage_notOneOfTheVendorsArchives(t *testing.T) {
	for says, files := range map[string][]string{
		"holds no siob_extract":       {"X.siob", "X.siob.sig"},
		"holds 0 .siob files":         {"siob_extract", "X.deb"},
		"holds 2 .siob files":         {"siob_extract", "X.siob", "X.siob.sig", "Y.siob", "Y.siob.sig"},
		"X.siob has no signature":     {"siob_extract", "X.siob", "Y.siob.sig"},
		"left 2 .deb files":           {"siob_extract", "X.siob", "X.siob.sig", "another.deb"},
		"emc-scaleio-sds_3.6-700.103": {},
	} {
		n, sds := wrapped(t, files...)
		before(t, n, "install-sds")
		require.ErrorContains(t, sds().Apply(t.Context()), says)
		assert.NotContains(t, n.Packages.Names(), "emc-scaleio-sds")
	}
}

func TestInstallPackage_signatureThatDoesNotFit(t *testing.T) {
	n, sds := wrapped(t, "X.siob", "X.siob.sig", "siob_extract")
	before(t, n, "install-sds")
	n.Jobs.Run = func(context.Context, systemd.Job) error {
		return &systemd.JobError{Unit: "scaleio-agent-extract-sds.service", Result: "exit-code", Code: 1, Output: "signature verification failed"}
	}
	err := sds().Apply(t.Context())
	require.ErrorContains(t, err, "signature verification failed")
	assert.NotContains(t, n.Packages.Names(), "emc-scaleio-sds")
}
