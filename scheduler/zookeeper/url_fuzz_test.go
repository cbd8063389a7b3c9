package zookeeper

import (
	"net"
	"testing"
)

func FuzzParseURL(f *testing.F) {
	f.Add("zk://a:2181,b,[::1]:1/mesos")
	f.Add("zk://user:password@a/mesos")
	f.Fuzz(func(t *testing.T, url string) {
		servers, root, err := ParseURL(url)
		if err != nil {
			return
		}
		if len(servers) == 0 || len(root) < 2 || root[0] != '/' {
			t.Errorf("%q gives %v %q", url, servers, root)
		}
		for _, s := range servers {
			if _, _, err := net.SplitHostPort(s); err != nil {
				t.Errorf("%q gives %q", url, s)
			}
		}
	})
}
