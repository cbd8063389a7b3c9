package api

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// A Diagnosis is what people hand to whoever helps them: text files that hold no secret.
type Diagnosis struct {
	Files []DiagFile `json:"files"`
}

// A DiagFile is one of them.
type DiagFile struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// MaxDiagFile bounds one file of a Diagnosis, MaxDiagnosis all of them.
const (
	MaxDiagFile  = 2 << 20
	MaxDiagnosis = 12 << 20
)

var urlPassword = regexp.MustCompile(`://[^/@\s"]+@`)

// Add a file: cut to its bound, and without any of the secrets, should one have got into it. What is in a URL before the host isn't shown either.
func (d *Diagnosis) Add(name, text string, secrets ...string) {
	text = urlPassword.ReplaceAllString(text, "://"+redacted+"@")
	for _, s := range secrets {
		if len(s) >= 4 {
			text = strings.ReplaceAll(text, s, redacted)
		}
	}
	room := MaxDiagnosis
	for _, f := range d.Files {
		room -= len(f.Text)
	}
	if most := max(0, min(MaxDiagFile, room)); len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "\n[cut]\n"
	}
	d.Files = append(d.Files, DiagFile{name, text})
}

// Write it as a .tar.gz whose files are all in one folder.
func (d *Diagnosis) Write(w io.Writer, folder string, at time.Time) error {
	zip := gzip.NewWriter(w)
	archive := tar.NewWriter(zip)
	for _, f := range d.Files {
		header := &tar.Header{Name: folder + "/" + strings.NewReplacer("/", "_", "..", "_").Replace(f.Name), Mode: 0o600, Size: int64(len(f.Text)), ModTime: at, Format: tar.FormatPAX}
		if err := archive.WriteHeader(header); err != nil {
			return fmt.Errorf("writing %s: %w", f.Name, err)
		}
		if _, err := io.WriteString(archive, f.Text); err != nil {
			return fmt.Errorf("writing %s: %w", f.Name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return zip.Close()
}
