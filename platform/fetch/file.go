package fetch

import "net/http"

// A File to fetch.
type File struct {
	URL    string
	Path   string // final place; the partial file lies beside it
	Size   int64
	SHA256 string
	Client *http.Client // nil = a default one that refuses to go from https to http
}
