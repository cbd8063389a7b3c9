package fetch

import "net/http"

// A File to fetch.
type File struct {
	URL    string
	Path   string // final place; the partial file lies beside it
	Size   int64
	SHA256 string       // "" = nobody knows it: then TLS has to vouch for what comes, and any other URL is refused
	Client *http.Client // nil = a default one that refuses to go from https to http
}
