package scli

import "scaleio-framework/test/scaleio/mgmt"

// done sends a change and prints its success.
func (r *run) done(cmd string, args any, format string, words ...any) error {
	if err := r.call(cmd, args, nil); err != nil {
		return err
	}
	r.print(format, words...)
	return nil
}

// made sends a creation and prints its success; the id comes last.
func (r *run) made(cmd string, args any, text string) error {
	var id mgmt.ID
	if err := r.call(cmd, args, &id); err != nil {
		return err
	}
	r.print("%s. Object ID %s", text, id.ID)
	return nil
}

func (r *run) addDomain() error {
	name := r.get("protection_domain_name")
	return r.made(mgmt.CmdAddDomain, mgmt.AddDomain{Name: name}, "Successfully created protection domain "+name)
}

func (r *run) renameDomain() error {
	return r.done(mgmt.CmdRenameDomain, mgmt.Rename{Of: r.ref("protection_domain"), New: r.get("new_name")}, "Successfully renamed protection domain to %s", r.get("new_name"))
}

func (r *run) removeDomain() error {
	return r.done(mgmt.CmdRemoveDomain, r.ref("protection_domain"), "Successfully removed protection domain")
}

func (r *run) addPool() error {
	args := mgmt.AddPool{Domain: r.ref("protection_domain"), Name: r.get("storage_pool_name"), MediaType: r.get("media_type")}
	if args.Domain.Empty() {
		return usageError{r.command.name}
	}
	return r.made(mgmt.CmdAddPool, args, "Successfully created a storage pool "+args.Name)
}

func (r *run) removePool() error {
	return r.done(mgmt.CmdRemovePool, r.poolRef(), "Successfully removed storage pool")
}

func (r *run) modifyPool(args mgmt.ModifyPool, text string) error {
	args.Of = r.poolRef()
	if args.Of.Empty() {
		return usageError{r.command.name}
	}
	return r.done(mgmt.CmdModifyPool, args, "%s", text)
}

func (r *run) modifySpare() error {
	percent, err := r.number("spare_percentage")
	if err != nil {
		return err
	}
	return r.modifyPool(mgmt.ModifyPool{SparePercent: &percent}, "Successfully modified spare policy")
}

// switched is for the commands that turn one thing of a pool on or off.
func (r *run) switched(yes, no string, field func(*mgmt.ModifyPool) **bool, text string) error {
	chosen := r.choice(yes, no)
	if chosen == nil {
		return usageError{r.command.name}
	}
	var args mgmt.ModifyPool
	*field(&args) = chosen
	return r.modifyPool(args, text)
}

func (r *run) modifyZeroPadding() error {
	return r.switched("enable_zero_padding", "disable_zero_padding", func(m *mgmt.ModifyPool) **bool { return &m.ZeroPadding }, "Successfully modified zero padding policy")
}

func (r *run) setChecksum() error {
	return r.switched("enable_checksum", "disable_checksum", func(m *mgmt.ModifyPool) **bool { return &m.Checksum }, "Successfully set checksum mode")
}

func (r *run) setRMCache() error {
	return r.switched("use_rmcache", "dont_use_rmcache", func(m *mgmt.ModifyPool) **bool { return &m.RMCache }, "Successfully set RAM Read Cache usage")
}

func (r *run) setRFCache() error {
	return r.switched("use_rfcache", "dont_use_rfcache", func(m *mgmt.ModifyPool) **bool { return &m.RFCache }, "Successfully set RFcache usage")
}

func (r *run) setRebuild() error {
	return r.switched("enable_rebuild", "disable_rebuild", func(m *mgmt.ModifyPool) **bool { return &m.Rebuild }, "Successfully set rebuild mode")
}

func (r *run) setRebalance() error {
	return r.switched("enable_rebalance", "disable_rebalance", func(m *mgmt.ModifyPool) **bool { return &m.Rebalance }, "Successfully set rebalance mode")
}

func (r *run) setMediaType() error {
	media := r.get("media_type")
	return r.modifyPool(mgmt.ModifyPool{MediaType: &media}, "Successfully set media type")
}

func (r *run) addFaultSet() error {
	args := mgmt.AddFaultSet{Domain: r.ref("protection_domain"), Name: r.get("fault_set_name")}
	if args.Domain.Empty() {
		return usageError{r.command.name}
	}
	return r.made(mgmt.CmdAddFaultSet, args, "Successfully created fault set "+args.Name)
}

func (r *run) removeFaultSet() error {
	ref := r.ref("fault_set")
	if domain := r.ref("protection_domain"); !domain.Empty() {
		ref.Domain = &domain
	}
	return r.done(mgmt.CmdRemoveFaultSet, ref, "Successfully removed fault set")
}

func (r *run) setThresholds() error {
	high, err := r.number("capacity_high_threshold")
	if err != nil {
		return err
	}
	critical, err := r.number("capacity_critical_threshold")
	if err != nil {
		return err
	}
	const text = "Successfully set capacity alerts threshold"
	pools := []mgmt.Ref{r.poolRef()}
	if r.has("system_default") {
		if err := r.call(mgmt.CmdModifySystem, mgmt.ModifySystem{HighPercent: &high, CriticalPercent: &critical}, nil); err != nil {
			return err
		}
	}
	if r.has("all_storage_pools") {
		v, err := r.view()
		if err != nil {
			return err
		}
		pools = nil
		for _, p := range v.Pools {
			pools = append(pools, mgmt.Ref{ID: p.ID})
		}
	} else if r.poolRef().Empty() {
		pools = nil
	}
	for _, p := range pools {
		if err := r.call(mgmt.CmdModifyPool, mgmt.ModifyPool{Of: p, HighPercent: &high, CriticalPercent: &critical}, nil); err != nil {
			return err
		}
	}
	r.print(text)
	return nil
}

func (r *run) setProfile() error {
	profile, ok := map[string]string{"default": "Default", "high_performance": "HighPerformance", "compact": "Compact"}[r.get("profile")]
	if !ok {
		return usageError{r.command.name}
	}
	return r.done(mgmt.CmdModifySystem, mgmt.ModifySystem{PerfProfile: &profile}, "Successfully set performance parameters")
}

func (r *run) setRestrictedSDC() error {
	mode, ok := map[string]string{"enabled": "Guid", "disabled": "None"}[r.get("restricted_sdc_mode")]
	if !ok {
		return usageError{r.command.name}
	}
	return r.done(mgmt.CmdModifySystem, mgmt.ModifySystem{RestrictedSDC: &mode}, "Successfully set restricted SDC mode")
}
