package aws

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var volumeID = regexp.MustCompile(`^vol-([0-9a-f]{8}|[0-9a-f]{17})$`)

func volumeFilter(name string) bool {
	return strings.HasPrefix(name, "tag:") || slices.Contains([]string{
		"attachment.delete-on-termination", "attachment.device", "attachment.instance-id", "attachment.status", "availability-zone",
		"encrypted", "size", "status", "tag-key", "volume-id", "volume-type",
	}, name)
}

// values of a volume for a filter.
func (v *Volume) values(filter string) []string {
	if key, ok := strings.CutPrefix(filter, "tag:"); ok {
		if value, ok := v.Tags[key]; ok {
			return []string{value}
		}
		return nil
	}
	if field, ok := strings.CutPrefix(filter, "attachment."); ok {
		a := v.Attachment
		if a == nil {
			return nil
		}
		return []string{map[string]string{
			"device": a.Device, "instance-id": a.Instance, "status": string(a.State), "delete-on-termination": strconv.FormatBool(a.DeleteOnTermination),
		}[field]}
	}
	if filter == "tag-key" {
		return sortedIDs(v.Tags)
	}
	return []string{map[string]string{
		"availability-zone": v.Zone, "encrypted": strconv.FormatBool(v.Encrypted), "size": strconv.Itoa(v.SizeGiB), "status": string(v.State),
		"volume-id": v.ID, "volume-type": v.Type,
	}[filter]}
}

// ids of volumes that a call names; one that there isn't fails the whole call.
func (r *request) ids(there map[string]*Volume) []string {
	ids := r.list("VolumeId")
	var missing []string
	for _, id := range ids {
		if !volumeID.MatchString(id) {
			r.fail("InvalidParameterValue", "Value (%s) for parameter volumeId is invalid. Expected: 'vol-...'.", id)
		}
		if there[id] == nil {
			missing = append(missing, id)
		}
	}
	if len(missing) == 1 {
		r.fail("InvalidVolume.NotFound", "The volume '%s' does not exist.", missing[0])
	}
	if len(missing) > 1 {
		r.fail("InvalidVolume.NotFound", "The volumes '%s' do not exist.", strings.Join(missing, ", "))
	}
	return ids
}

func (c *Cloud) describeVolumes(r *request) plan {
	all := c.seen(c.lag())
	filters, ids, window := r.filters(volumeFilter), r.ids(all), c.window(r, 5, 1000)
	if len(ids) > 0 && r.form.Has("MaxResults") {
		r.fail("InvalidParameterCombination", "The parameter volumeSet cannot be used with the parameter maxResults")
	}
	return plan{needs: reading("DescribeVolumes"), do: func() (any, error) {
		names, next := window.cut(sortedIDs(all), func(id string) bool {
			return (len(ids) == 0 || slices.Contains(ids, id)) && allMatch(filters, all[id].values)
		}, c.config.Reads.Sparse)
		found := page[volumeXML]{list: "volumeSet", next: next}
		for _, id := range names {
			found.of = append(found.of, volumeOf(all[id]))
		}
		return found, nil
	}}
}

// describeVolumesModifications: nothing here modifies volumes, so there are none. What it is good for is that it knows volumes by another way than DescribeVolumes.
func (c *Cloud) describeVolumesModifications(r *request) plan {
	ids := r.ids(c.seen(c.lag()))
	if len(ids) > 0 {
		r.fail("InvalidVolumeModification.NotFound", "Modification for volume '%s' does not exist.", strings.Join(ids, ", "))
	}
	return plan{needs: reading("DescribeVolumesModifications"), do: func() (any, error) {
		return page[struct{}]{list: "volumeModificationSet"}, nil
	}}
}
