package main

import (
	"fmt"
	"strings"

	"github.com/owenrumney/go-sarif/v2/sarif"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// finding is what a rule says of an object, and where that is.
type finding struct {
	validate.Finding
	object mesh.ObjectRef
	// source is the file, with the number of the document if it has several; empty for the cluster.
	source string
}

// worst is the most severe of the findings.
func worst(found []finding) validate.Severity {
	for _, f := range found {
		if f.Severity == validate.Deny {
			return validate.Deny
		}
	}
	return validate.Warn
}

// place says where an object is.
func place(source string, ref mesh.ObjectRef) string {
	if source == "" {
		return spell(ref)
	}
	return source + ": " + spell(ref)
}

// level is how severe a finding is, in the words of linters.
func (f finding) level() string {
	if f.Severity == validate.Deny {
		return "error"
	}
	return "warning"
}

func (s *shell) printFindings(found []finding, output string) error {
	switch output {
	case "":
		return s.printFindingsText(found)
	case "sarif":
		return s.printFindingsSARIF(found)
	}
	return s.printData(map[string]any{"findings": findingsJSON(found)}, output)
}

func (s *shell) printFindingsText(found []finding) error {
	errors := 0
	for _, f := range found {
		if f.level() == "error" {
			errors++
		} else if s.quiet {
			continue
		}
		colour := yellow
		if f.level() == "error" {
			colour = red
		}
		if _, err := fmt.Fprintf(s.Out, "%s %s: %s\n", paint(s.Out, colour, f.level()+":"), place(f.source, f.object), f.Message); err != nil {
			return err
		}
	}
	if s.quiet {
		return nil
	}
	_, err := fmt.Fprintf(s.Out, "%s, %s\n", count(errors, "error"), count(len(found)-errors, "warning"))
	return err
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// findingJSON is one finding for programs.
type findingJSON struct {
	Rule     string `json:"rule"`
	Severity string `json:"severity"`
	Source   string `json:"source,omitempty"`
	Object   string `json:"object"`
	Path     string `json:"path"`
	Message  string `json:"message"`
}

func findingsJSON(found []finding) []findingJSON {
	out := make([]findingJSON, 0, len(found))
	for _, f := range found {
		out = append(out, findingJSON{Rule: f.Rule, Severity: f.level(), Source: f.source, Object: spell(f.object), Path: f.Path, Message: f.Message})
	}
	return out
}

// printFindingsSARIF writes the Static Analysis Results Interchange Format 2.1.0, which forges show beside the lines.
func (s *shell) printFindingsSARIF(found []finding) error {
	report, err := sarif.New(sarif.Version210)
	if err != nil {
		return err
	}
	run := sarif.NewRunWithInformationURI("kubectl-sluice", "https://github.com/sluice-mesh/sluice")
	run.Tool.Driver.WithVersion(version)
	for _, rule := range validate.Rules() {
		run.AddRule(rule.ID).WithShortDescription(sarif.NewMultiformatMessageString(rule.Why))
	}
	for _, f := range found {
		result := run.CreateResultForRule(f.Rule).WithLevel(f.level()).WithMessage(sarif.NewTextMessage(f.Message))
		location := sarif.NewLocation().WithLogicalLocations([]*sarif.LogicalLocation{
			sarif.NewLogicalLocation().WithFullyQualifiedName(spell(f.object) + ":" + f.Path).WithKind("object"),
		})
		if file, _, _ := strings.Cut(f.source, ": document "); file != "" {
			location.WithPhysicalLocation(sarif.NewPhysicalLocation().WithArtifactLocation(sarif.NewSimpleArtifactLocation(file)).
				WithRegion(sarif.NewSimpleRegion(1, 1)))
		}
		result.AddLocation(location)
	}
	report.AddRun(run)
	return report.PrettyWrite(s.Out)
}
