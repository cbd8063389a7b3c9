package aws

import "testing"

// What a metadata service says, or whatever answers in its place; and a file with keys.
func FuzzMetadataTexts(f *testing.F) {
	f.Add(`{"action":"stop","time":"2026-11-23T04:00:00Z"}`)
	f.Add(`[{"Code":"system-reboot","State":"active","NotBefore":"21 Jan 2019 09:00:43 GMT"}]`)
	f.Add("InService")
	f.Add("[default]\naws_access_key_id = a\naws_secret_access_key=b\n[other]\nc=d")
	f.Fuzz(func(t *testing.T, text string) {
		for _, read := range []func(string) ([]Notice, error){readSpot, readRebalance, readScheduled, readLifecycle} {
			all, err := read(text)
			for _, n := range all {
				if err == nil && n.Kind == "" {
					t.Errorf("%q gives %+v", text, n)
				}
			}
		}
		for key := range defaultProfile([]byte(text)) {
			if key != "" && (key[0] == '#' || key[0] == ';') {
				t.Errorf("%q gives the key %q", text, key)
			}
		}
	})
}
