package installer

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform/fetch"
	"scaleio-framework/platform/kmod"
	"scaleio-framework/scheduler/api"
)

// A moduleSource may have a module for a kernel.
type moduleSource struct {
	name  string // for people
	fetch func(context.Context) (fetchedModule, error)
	from  storedModule
}

// moduleSources that were configured, in the order in which they are asked.
func (o *orders) moduleSources(kernel string, sdc sdcInstalled) []moduleSource {
	var sources []moduleSource
	// Where a unit of ours loads the module, no script of the vendor asks for a signature: only a digest will do.
	if mirror := strings.TrimRight(o.Spec.ModuleMirror, "/"); mirror != "" && sdc.version != "" && !o.sys.Facts.Immutable {
		for _, system := range scaleio.ModuleOSes(o.sys.Facts) {
			url := strings.Join([]string{mirror, system, sdc.version, kernel, modulePacked}, "/")
			sources = append(sources, moduleSource{url, func(ctx context.Context) (fetchedModule, error) {
				return o.fetchModule(ctx, api.Package{URL: url})
			}, storedModule{SDCVersion: sdc.version, From: url}})
		}
	}
	for _, k := range o.Spec.Modules {
		if k.Kernel != kernel || scaleio.ModuleVersion(k.SDCVersion) != sdc.version || !api.FitsOS(k.OS, o.sys.Facts.OS) {
			continue
		}
		sources = append(sources, moduleSource{"the manifest's module", func(ctx context.Context) (fetchedModule, error) {
			return o.fetchModule(ctx, api.Package{URL: k.URL, Size: k.Size, SHA256: k.SHA256})
		}, storedModule{SDCVersion: sdc.version, From: "manifest", Pinned: true}})
	}
	return sources
}

// fetchModule brings one file and takes it apart; the download doesn't stay. Without a digest in the manifest, TLS to the mirror is what vouches for it.
func (o *orders) fetchModule(ctx context.Context, p api.Package) (fetchedModule, error) {
	p.Component, p.Version = scaleio.ModuleName, "module"
	files := packagesFetched{files: o.sys.Files, download: o.sys.Download, client: o.opts.ArtifactClient, servers: o.opts.Servers}
	file := PackageFile(p)
	if err := files.fetch(ctx, p); err != nil {
		return fetchedModule{}, err
	}
	data, err := o.sys.Files.Read(file)
	if err != nil {
		return fetchedModule{}, err
	}
	if err := o.sys.Files.Remove(file); err != nil {
		return fetchedModule{}, err
	}
	m, err := unpackModule(data)
	if err != nil {
		return fetchedModule{}, &kmod.Refusal{Kind: kmod.NotAModule, Why: "what came isn't a module: " + err.Error()}
	}
	return m, nil
}

// provideModule asks the sources until one has a module that the kernel would take, and puts it in place. That none has is remembered, and no error.
func (o *orders) provideModule(ctx context.Context, kernel string, sdc sdcInstalled) error {
	if err := o.restoreSigCheck(sdc); err != nil {
		return err
	}
	found, _, err := o.findModule(kernel, sdc.version)
	if err != nil {
		return err
	}
	if found != nil {
		return o.placeModule(ctx, kernel, sdc)
	}
	var lacking, failed []error
	for _, source := range o.moduleSources(kernel, sdc) {
		err := o.takeModule(ctx, kernel, source)
		switch {
		case err == nil:
			return o.placeModule(ctx, kernel, sdc)
		case ctx.Err() != nil:
			return err
		case final(err):
			lacking = append(lacking, fmt.Errorf("%s: %w", source.name, err))
		default:
			failed = append(failed, fmt.Errorf("%s: %w", source.name, err))
		}
	}
	if o.mayBuild(kernel, sdc) {
		if err := o.prepareBuild(ctx, kernel); err == nil {
			return nil
		} else if ctx.Err() != nil {
			return err
		} else {
			lacking = append(lacking, fmt.Errorf("building it here: %w", err))
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("providing scini %s for kernel %s: %w", sdc.version, kernel, errors.Join(append(failed, lacking...)...))
	}
	o.modules.miss(o.moduleKey(kernel, sdc), missing(lacking, o.sys.Clock()))
	return nil
}

// final says that asking again soon wouldn't help.
func final(err error) bool {
	var bad *fetch.Error
	if errors.As(err, &bad) {
		return slices.Contains([]fetch.Kind{fetch.NotFound, fetch.Refused, fetch.HTMLPage, fetch.WrongDigest, fetch.TooLarge, fetch.Unvouched, fetch.InsecureRedirect}, bad.Kind)
	}
	return kmod.KindOf(err) != ""
}

func missing(lacking []error, now time.Time) missedModule {
	m := missedModule{kind: reasonNoModule, at: now}
	var texts []string
	for _, err := range lacking {
		if kind := kmod.KindOf(err); kind != "" { // a module that can't be used says more than one that isn't there
			m.kind = string(kind)
		}
		texts = append(texts, err.Error())
	}
	m.why = strings.Join(texts, "; ")
	return m
}

// takeModule from a source into our own store, once it is known to fit.
func (o *orders) takeModule(ctx context.Context, kernel string, source moduleSource) error {
	m, err := source.fetch(ctx)
	if err != nil {
		return err
	}
	info, err := kmod.Parse(m.plain)
	if err != nil {
		return &kmod.Refusal{Kind: kmod.NotAModule, Why: err.Error()}
	}
	if err := info.Verify(scaleio.ModuleName, kernel, o.sys.Facts); err != nil {
		return err
	}
	record := source.from
	record.SHA256, record.Packed = sha256hex(m.plain), m.packed != nil
	o.opts.Log.Info("module taken", "module", scaleio.ModuleName, "kernel", kernel, "version", record.SDCVersion, "from", record.From, "sha256", record.SHA256)
	return o.store(kernel, m, record)
}

// placeModule puts a stored module where the start of scini looks: into the cache of the vendor's scripts, or behind a unit of ours.
func (o *orders) placeModule(ctx context.Context, kernel string, sdc sdcInstalled) error {
	record, ok, err := o.stored(kernel, sdc.version)
	if err != nil || !ok { // found in a place that is right already
		return err
	}
	if o.sys.Facts.Immutable {
		return o.installLoader(ctx)
	}
	if wants, err := o.vendorSignatureWanted(record); err != nil || wants {
		return err // Check says what a person can do
	}
	if err := o.writeDriverSync(record); err != nil {
		return err
	}
	dir := o.modulePlace(kernel, sdc.version)
	if err := o.sys.Files.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	names := []string{moduleFile}
	if record.Packed {
		names = []string{modulePacked, moduleFile} // the module last: it is what is looked for
	}
	for _, name := range names {
		data, err := o.sys.Files.Read(storePath(kernel, name))
		if err != nil {
			return err
		}
		if name == moduleFile && sha256hex(data) != record.SHA256 {
			return fmt.Errorf("placing scini for kernel %s: %s isn't what was stored", kernel, storePath(kernel, name))
		}
		if record.Placed == nil {
			record.Placed = map[string]string{}
		}
		record.Placed[path.Join(dir, name)] = sha256hex(data)
		if err := o.writeRecord(kernel, record); err != nil { // before the copy: it must be found again
			return err
		}
		o.modules.expire(path.Join(dir, name), o.sys.Clock())
		if err := o.sys.Files.Write(path.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
