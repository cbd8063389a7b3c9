package pkgmgr

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	"scaleio-framework/platform/machinetest"
)

func nevra(s string) identity {
	base, arch, _ := cutLast(s, ".")
	base, release, _ := cutLast(base, "-")
	name, version, _ := cutLast(base, "-")
	return identity{name: name, version: version, release: release, arch: arch}
}

func TestParseTransactions(t *testing.T) {
	bad := parseTransactions(recorded(t, "history-info-bad.txt"))
	require.Len(t, bad, 1)
	assert.Equal(t, 3, bad[0].id)
	assert.Equal(t, "failing; warning: %post(bad-1.0-1.el9.noarch) scriptlet failed, exit status 1", bad[0].scriptFailure(nevra("bad-1.0-1.el9.noarch")))
	assert.Empty(t, bad[0].scriptFailure(nevra("bad-2.0-1.el9.noarch")))

	good := parseTransactions(recorded(t, "history-info-good.txt"))
	var ids []int
	for _, tr := range good {
		ids = append(ids, tr.id)
		assert.False(t, tr.undoneOf(nevra("good-1.0-1.el9.noarch")))
	}
	assert.Equal(t, []int{8, 6, 5, 2, 1}, ids)

	cut := parseTransactions(recorded(t, "history-info-cut.txt"))
	require.Len(t, cut, 3)
	assert.True(t, cut[0].undoneOf(nevra("badpre-1.0-1.el9.noarch")))
	assert.True(t, cut[1].undoneOf(nevra("slow-1.0-1.el9.noarch")))
	assert.False(t, cut[2].undoneOf(nevra("good-1.0-1.el9.noarch")))

	yum := parseTransactions(recorded(t, "yum-history-info.txt"))
	require.Len(t, yum, 2)
	assert.Equal(t, []string{"EMC-ScaleIO-sds-3.6-700.103.el7.x86_64"}, yum[0].undone)
	assert.Contains(t, yum[1].scriptFailure(nevra("EMC-ScaleIO-sdc-3.6-700.103.el7.x86_64")), "no MDM_IP; warning")
	assert.Empty(t, parseTransactions("No transaction which manipulates package 'x' was found.\n"))

	epoch := transaction{undone: []string{"java-1:1.8.0-3.el9.x86_64", "1:openjdk-1.8.0-3.el7.x86_64"}}
	assert.True(t, epoch.undoneOf(nevra("java-1.8.0-3.el9.x86_64")), "dnf")
	assert.True(t, epoch.undoneOf(nevra("openjdk-1.8.0-3.el7.x86_64")), "yum")
}

func TestSuspicious(t *testing.T) {
	assert.Equal(t, []int{7, 6}, suspicious(recorded(t, "history-list-cut.txt")))
	assert.Equal(t, []int{10, 8, 7, 6}, suspicious(recorded(t, "history-list.txt")), "the sign of a cut one may be hidden by others")
	assert.Equal(t, []int{12}, suspicious(recorded(t, "yum-history-list.txt")))
	assert.Empty(t, suspicious("history list\n"))
	assert.Len(t, suspicious(strings.Repeat("    7 | x | x | x | 1 #<\n", 100)), maxSuspicious)
}

func TestParseCheck(t *testing.T) {
	for said, want := range map[string][2]bool{
		"digests OK":                {true, false},
		"digests signatures OK":     {true, true},
		"digests SIGNATURES NOT OK": {false, false},
		"DIGESTS SIGNATURES NOT OK": {false, false},
		"DIGESTS NOT OK":            {false, false},
		"rsa sha1 (md5) pgp md5 OK": {true, true}, // before rpm 4.14
		"sha1 md5 OK":               {true, false},
		"RSA sha1 ((MD5) PGP) md5 NOT OK (MISSING KEYS: (MD5) PGP#5125b1e1) ": {false, false},
		"rsa sha1 (MD5) PGP MD5 OK": {false, false},
		"":                          {false, false},
	} {
		intact, signed := parseCheck("/tmp/a: file.rpm: " + said + "\n")
		assert.Equal(t, want, [2]bool{intact, signed}, said)
	}
}

func TestParseVerify(t *testing.T) {
	assert.Equal(t, []string{"/opt/good/program", "/etc/conf"}, parseVerify("missing     /opt/good/program\nS......T.    /opt/x\nmissing   c /etc/conf\n"+
		"missing   g /var/ghost\nmissing   d /usr/share/doc/x\nUnsatisfied dependencies for good-1.0\n"))
	assert.Equal(t, []string{"/root/x"}, parseVerify("missing     /root/x (Permission denied)\n"))
}

func TestParseIdentities(t *testing.T) {
	found := parseIdentities("good|0|1.0|1.el9|noarch|1795371166\npackage never is not installed\njava|1|1.8.0|3|x86_64|7\nbad|x|1|1|noarch|1\n|0|1|1|noarch|1\na|0|1;2|1|noarch|1\n")
	require.Len(t, found, 2)
	assert.Equal(t, "1.0-1.el9", found[0].evr())
	assert.Equal(t, "1:1.8.0-3", found[1].evr())
	assert.Equal(t, "java-1.8.0-3.x86_64", found[1].nevra())
}

// None of them panics on what it doesn't know, or makes something of nothing.
func FuzzRPMParsers(f *testing.F) {
	files, err := filepath.Glob("testdata/rpm/*.txt")
	require.NoError(f, err)
	for _, file := range files {
		f.Add(recorded(f, filepath.Base(file)))
	}
	f.Add("p.rpm: digests signatures OK\nmissing   c /etc/conf\ngood|0|1.0|1.el9|noarch|1795371166\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, i := range parseIdentities(text) {
			if i.name == "" || !isVersion(i.version) || !isVersion(i.release) || i.epoch < 0 {
				t.Errorf("%q gives %+v", text, i)
			}
		}
		for _, tr := range parseTransactions(text) {
			if tr.id <= 0 {
				t.Errorf("%q gives transaction %d", text, tr.id)
			}
			_ = tr.undoneOf(identity{name: "p", version: "1", release: "1", arch: "noarch"})
			_ = tr.scriptFailure(identity{name: "p"})
		}
		if len(suspicious(text)) > maxSuspicious {
			t.Errorf("%q gives too many", text)
		}
		if _, signed := parseCheck(text); signed && !strings.Contains(text, "OK") {
			t.Errorf("%q is signed", text)
		}
		for _, file := range parseVerify(text) {
			if !strings.HasPrefix(file, "/") {
				t.Errorf("%q misses %q", text, file)
			}
		}
		_ = lastLines(text)
	})
}

// The real rpm, with a database of ours: what a query prints, and its order of versions.
func TestRPM_realQuery(t *testing.T) {
	needs(t, "rpm")
	r := NewRPM(platform.Runner{}, nil, nil)
	r.admin = []string{"--dbpath", t.TempDir()}
	_, err := r.State(t.Context(), "never-heard-of")
	require.ErrorIs(t, err, platform.ErrNotFound)
	for _, row := range []struct {
		a, b string
		want int
	}{
		{"p-1.0-1.noarch", "p-1.0-1.noarch", 0}, {"p-1.0-2.noarch", "p-1.0-10.noarch", -1}, {"p-1.10-1.noarch", "p-1.9-1.noarch", 1},
		{"p-1.0~rc1-1.noarch", "p-1.0-1.noarch", -1}, {"p-1.0^git1-1.noarch", "p-1.0-1.noarch", 1}, {"p-3.6-700.103.el9.x86_64", "p-3.6-2000.104.el9.x86_64", -1},
	} {
		order, err := r.compare(t.Context(), nevra(row.a), nevra(row.b))
		require.NoError(t, err)
		assert.Equal(t, row.want, order, "%s %s", row.a, row.b)
	}
	order, err := r.compare(t.Context(), identity{epoch: 1, version: "1", release: "1"}, identity{version: "2", release: "1"})
	require.NoError(t, err)
	assert.Positive(t, order)
}

func needs(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			machinetest.Lacks(t, tool)
		}
	}
}
