package cases

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"scaleio-framework/test/scaleio/scli/samples"
)

// documented are the queries that people and parsers rely on, each with the samples of which it must be one: what it prints depends on whether
// there are volumes yet, or restricted clients.
var documented = []struct{ query, samples string }{
	{"--query_cluster", "query_cluster-renamed"},
	{"--query_all", "query_all"},
	{"--query_all_sds", "query_all_sds"},
	{"--query_all_sdc", "query_all_sdc-unrestricted query_all_sdc"},
	{"--query_all_volumes", "query_all_volumes-none query_all_volumes"},
	{"--query_users", "query_users"},
	{"--query_properties --object_type MDM --all_objects --preset ALL", "query_properties-mdm"},
}

// settings are words that a cluster's owner chooses: a sample shows one choice, the cluster under test may have made another.
var settings = []struct {
	where *regexp.Regexp
	as    string
}{
	{regexp.MustCompile(`^(\t(?:Zero padding is|Checksum mode:|MDM restricted SDC mode:)) (?:enabled|disabled)$`), "$1 enabled"},
	{regexp.MustCompile(`^(\tMedia type:) (?:HDD|SSD)$`), "$1 HDD"},
	{regexp.MustCompile(`^\t(?:Uses|Doesn't use) (RAM|Flash) Read Cache$`), "\tUses $1 Read Cache"},
	{regexp.MustCompile(`(?:Thick|Thin)-provisioned$`), "Thick-provisioned"},
	{regexp.MustCompile(`^(\tIS_MASTER +)(?:Yes|No)$`), "${1}Yes"},
	{regexp.MustCompile(`^(ID) \w+ +(?:Yes|No) +`), "$1 Role No "},
}

// DocumentedOutputs fails unless scli on this cluster prints what is documented. top is the repository.
func (s *Stand) DocumentedOutputs(ctx context.Context, top string) error {
	first := s.Nodes()[0].Address
	return Documented(filepath.Join(top, "test/scaleio/scli/testdata"), first, func(query ...string) (string, error) { return s.scli(ctx, query...) })
}

// Documented is the same for any way to scli. dir has the samples; sds is the address of one SDS.
func Documented(dir, sds string, scli func(query ...string) (string, error)) error {
	var errs []error
	for _, d := range documented {
		errs = append(errs, asDocumented(dir, d.query, strings.Fields(d.samples), scli))
	}
	errs = append(errs, asDocumented(dir, "--query_sds --sds_ip "+sds, []string{"query_sds"}, scli))
	return errors.Join(errs...)
}

func asDocumented(dir, query string, names []string, scli func(query ...string) (string, error)) error {
	output, err := scli(strings.Fields(query)...)
	if err != nil {
		return err
	}
	var differences []string
	for _, name := range names {
		sample, err := samples.Read(dir, name)
		if err != nil {
			return err
		}
		difference := samples.Differs(settled(sample), settled(samples.Shape(output)))
		if difference == "" {
			return nil
		}
		differences = append(differences, fmt.Sprintf("%s: %s", name, difference))
	}
	return fmt.Errorf("scli %s isn't as documented: %s", query, strings.Join(differences, "; "))
}

// settled takes the choices out of a text.
func settled(text samples.Text) samples.Text {
	for i := range text {
		for _, s := range settings {
			text[i] = s.where.ReplaceAllString(text[i], s.as)
		}
	}
	return text
}
