package installer

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"scaleio-framework/systemd"
)

// siobs are the vendor's wrapping of packages for Ubuntu since 2.0.1: a tar with NAME.siob, its signature NAME.siob.sig and the program siob_extract, which
// checks the one by the other and writes the .deb beside them. What we verified is the tar; from there on the vendor's own program vouches for the rest.
type siobs struct {
	component string
	archives  Archives
	files     Files
	jobs      Jobs
}

const (
	siobProgram = "siob_extract"
	siobTime    = 5 * time.Minute
)

// unwrap a verified tar in a folder that only root enters, and hand the .deb to install. The folder goes away, whatever comes of it.
func (s siobs) unwrap(ctx context.Context, archive string, install func(ctx context.Context, deb string) error) error {
	dir := path.Join(path.Dir(archive), "siob")
	if err := s.archives.RemoveAll(dir); err != nil { // what a killed run left
		return err
	}
	files, err := s.archives.Unpack(ctx, archive, dir)
	if err != nil {
		return err
	}
	deb, err := s.extract(ctx, files)
	if err != nil {
		return errors.Join(fmt.Errorf("extracting the %s package from %s: %w", s.component, archive, err), s.archives.RemoveAll(dir))
	}
	return errors.Join(install(ctx, deb), s.archives.RemoveAll(dir))
}

// extract runs the vendor's program as PID 1's child, in the folder of the siob, where it writes.
func (s siobs) extract(ctx context.Context, files []string) (deb string, err error) {
	program, siob, err := siobParts(files)
	if err != nil {
		return "", err
	}
	job := systemd.Job{Name: "scaleio-agent-extract-" + s.component, Argv: []string{program, path.Base(siob)}, Dir: path.Dir(siob), Timeout: siobTime}
	if err := s.jobs.RunJob(ctx, job); err != nil {
		return "", err
	}
	debs, err := s.files.Glob(path.Join(path.Dir(siob), "*.deb"))
	if err != nil {
		return "", err
	}
	if len(debs) != 1 {
		return "", fmt.Errorf("%s was content and left %d .deb files instead of one", siobProgram, len(debs))
	}
	return debs[0], nil
}

// siobParts finds program and content, and wants the signature: without it the program would have nothing to check by.
func siobParts(files []string) (program, siob string, err error) {
	signed := map[string]bool{}
	var contents []string
	for _, file := range files {
		switch {
		case path.Base(file) == siobProgram:
			program = file
		case strings.HasSuffix(file, ".siob"):
			contents = append(contents, file)
		case strings.HasSuffix(file, ".siob.sig"):
			signed[strings.TrimSuffix(file, ".sig")] = true
		}
	}
	switch {
	case program == "":
		return "", "", fmt.Errorf("it holds no %s: it isn't one of the vendor's Ubuntu archives", siobProgram)
	case len(contents) != 1:
		return "", "", fmt.Errorf("it holds %d .siob files instead of one", len(contents))
	case !signed[contents[0]]:
		return "", "", fmt.Errorf("%s has no signature beside it", path.Base(contents[0]))
	}
	return program, contents[0], nil
}
