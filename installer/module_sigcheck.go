package installer

import (
	"errors"
	"os"
	"path"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/platform/kmod"
)

// sigCheckOff says that module_sigcheck was turned off by us; it begins before it is. The setting is for all that the vendor's scripts load, so that it
// mustn't outlive the module that it was for.
const sigCheckOff = stateDir + "/sigcheck-off.json"

// modulePlace is the folder in the cache of the vendor's scripts where ours go.
func (o *orders) modulePlace(kernel, version string) string {
	return path.Join(o.driverCaches()[0], scaleio.ModuleOSes(o.sys.Facts)[0], version, kernel)
}

// vendorSignatureWanted: the scripts throw away a module without the vendor's signature, and must go on to do so while they fetch others from a repository of
// their own: nothing else vouches for those.
func (o *orders) vendorSignatureWanted(record storedModule) (bool, error) {
	conf, _, err := o.driverSync()
	return err == nil && record.Pinned && !record.Packed && conf.SigCheck == "1" && conf.RepoAddress != "", err
}

// refusedByScripts is vendorSignatureWanted of the module that was found: one that isn't placed yet, or one of ours that lies in the cache.
func (o *orders) refusedByScripts(kernel string, sdc sdcInstalled, found *foundModule) (bool, error) {
	if o.sys.Facts.Immutable || found.placed && found.path != path.Join(o.modulePlace(kernel, sdc.version), moduleFile) {
		return false, nil
	}
	record, ok, err := o.stored(kernel, sdc.version)
	if err != nil || !ok || record.SHA256 != found.sum {
		return false, err
	}
	return o.vendorSignatureWanted(record)
}

// sigCheckIsOurs tells that it is off by us, and that nothing needs it any more, or that it is a danger.
func (o *orders) sigCheckIsOurs(sdc sdcInstalled) (bool, error) {
	if !exists(o.sys.Files, sigCheckOff) {
		return false, nil
	}
	conf, file, err := o.driverSync()
	if err != nil || file == "" || conf.SigCheck != "0" {
		return false, err
	}
	if conf.RepoAddress != "" {
		return true, nil
	}
	installed, err := kmod.Installed(o.sys.Files, o.sys.Facts)
	if err != nil {
		return false, err
	}
	for _, kernel := range append(installed, o.sys.Facts.Kernel) {
		record, ok, err := o.stored(kernel, sdc.version)
		if err != nil {
			return false, err
		}
		if ok && record.Pinned && !record.Packed && exists(o.sys.Files, path.Join(o.modulePlace(kernel, sdc.version), moduleFile)) {
			return false, nil
		}
	}
	return true, nil
}

// restoreSigCheck as it was before us.
func (o *orders) restoreSigCheck(sdc sdcInstalled) error {
	ours, err := o.sigCheckIsOurs(sdc)
	if err != nil || !ours {
		return err
	}
	conf, file, err := o.driverSync()
	if err != nil {
		return err
	}
	conf.SigCheck = "1"
	o.opts.Log.Info("the vendor's signature is asked for again", "file", file)
	if err := o.storeDriverSync(file, conf); err != nil {
		return err
	}
	return o.sys.Files.Remove(sigCheckOff)
}

// writeDriverSync has the vendor's scripts look where the module is put. A module whose digest the manifest names needs no GPG signature besides: one that
// has none would be thrown away by them.
func (o *orders) writeDriverSync(record storedModule) error {
	now, file, err := o.driverSync()
	if err != nil || file == "" { // the package isn't here yet, or this one has no such scripts
		return err
	}
	wanted := now
	if wanted.LocalDir == "" {
		wanted.LocalDir = path.Join(path.Dir(file), "driver_cache")
	}
	if record.Pinned && !record.Packed && now.SigCheck == "1" && now.RepoAddress == "" {
		wanted.SigCheck = "0"
		if err := o.sys.Files.MkdirAll(stateDir, 0o700); err != nil {
			return err
		}
		if err := o.sys.Files.Write(sigCheckOff, []byte("{}\n"), 0o600); err != nil {
			return err
		}
		o.opts.Log.Info("the vendor's signature isn't asked for: the manifest names the module's sha256", "file", file)
	}
	if wanted.LocalDir == now.LocalDir && wanted.SigCheck == now.SigCheck {
		return nil
	}
	return o.storeDriverSync(file, wanted)
}

func (o *orders) storeDriverSync(file string, conf scaleio.DriverSync) error {
	mode, _, err := o.sys.Files.Stat(file)
	if err != nil {
		return err
	}
	return o.sys.Files.Write(file, conf.Text(), mode&os.ModePerm)
}

// driverSync reads the configuration of the vendor's scripts.
func (o *orders) driverSync() (conf scaleio.DriverSync, file string, err error) {
	for _, dir := range []string{scaleio.PathSciniSync, scaleio.PathSciniSyncOld} {
		file = path.Join(dir, scaleio.DriverSyncName)
		data, err := o.sys.Files.Read(file)
		if errors.Is(err, platform.ErrNotFound) {
			continue
		} else if err != nil {
			return conf, file, err
		}
		conf, err = scaleio.ParseDriverSync(data)
		return conf, file, err
	}
	return conf, "", nil
}
