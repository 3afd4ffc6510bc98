// Package validate is the one rulebook: an object, what it was before, and the world around it in; findings out.
//
// The webhook, the linter, the background audit and the start of every rollout call the same functions, so what is
// refused in one place is not accepted in another. A finding has a rule id, a severity, a path and one sentence that
// says what is wrong with the actual values and what to write instead.
//
// Rules whose id starts with SL are ours. Rules whose id starts with AM are App Mesh's own; their sentences are kept
// to the letter, because people and scripts know them.
//
// An update is refused only for what it makes worse: what was already wrong before is reported as a warning.
//
// What the control plane would say of an object of the mesh is told too, by its own builder: see served.go.
//
// What an object is related to is found through a Cluster, by its relations (relations.go), never by going through lists:
// a rule costs what it looks at, however large the cluster. What is not there is told at apply, since GitOps applies in
// any order, and refused when a rollout starts (World.atStart). A Policy of the cluster's owners changes severities, and
// an annotation exempts one object, with a reason (policy.go).
//
// To add a rule: one line in the table of rules.go, one function in the file of its kind, one line in that file's list,
// one folder in testdata.
package validate
