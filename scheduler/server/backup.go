package server

import (
	"fmt"
	"net/http"
	"time"
)

// backupLimit is how long a backup may take to be sent.
const backupLimit = 10 * time.Minute

// backup sends the whole state. What goes wrong after its beginning cuts it off: its reader misses the last line.
func (s *Server) backup(w http.ResponseWriter, r *request) error {
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(backupLimit)); err != nil {
		return fmt.Errorf("giving a backup more time: %w", err)
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := &begun{ResponseWriter: w}
	err := s.Cluster.Backup(r.Context(), out, r.URL.Query().Get("keys") == "true")
	if err != nil && out.any {
		s.Log.Warn("a backup was cut off", "err", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

// begun remembers whether anything was sent.
type begun struct {
	http.ResponseWriter
	any bool
}

func (b *begun) Write(p []byte) (int, error) {
	b.any = true
	return b.ResponseWriter.Write(p)
}
