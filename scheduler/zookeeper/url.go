package zookeeper

import (
	"errors"
	"fmt"
	"net"
	"path"
	"strings"
)

// Scheme of the URLs that name an ensemble and a path in it.
const Scheme = "zk://"

// ParseURL of the kind zk://host:port,host:port/path, as Mesos writes it. The port may be left out. Its faults never show a password.
func ParseURL(url string) (servers []string, root string, err error) {
	rest, ok := strings.CutPrefix(url, Scheme)
	if strings.Contains(url, "@") {
		return nil, "", errors.New("a password doesn't belong in a URL: it would be seen in logs and in Mesos' state")
	}
	list, below, slash := strings.Cut(rest, "/")
	if root = "/" + below; !ok || !slash || below == "" || path.Clean(root) != root || root == "/zookeeper" {
		return nil, "", fmt.Errorf("%q is no URL of the kind zk://HOST:PORT,HOST:PORT/PATH", url)
	}
	for server := range strings.SplitSeq(list, ",") {
		server = strings.TrimSpace(server)
		if _, _, err := net.SplitHostPort(server); err != nil {
			server = net.JoinHostPort(strings.Trim(server, "[]"), "2181")
		}
		if host, port, err := net.SplitHostPort(server); err != nil || host == "" || port == "" || strings.ContainsAny(server, "/ ") {
			return nil, "", fmt.Errorf("%q is no URL of the kind zk://HOST:PORT,HOST:PORT/PATH", url)
		}
		servers = append(servers, server)
	}
	return servers, root, nil
}
