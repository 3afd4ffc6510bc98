// Package audit keeps the rulebook's index in step with the cluster, and knows of each Canary what the rulebook says.
//
//	watches ---> index ---> which Canaries does this concern? ---> judge them ---> metric, and whoever wants to know
//
// Nothing is decided here: rules, relations and what a change concerns are those of pkg/validate. Nothing is written
// either: the shell of Canaries has the condition written, in the one status that it writes anyhow.
//
// Only the metadata of ConfigMaps, Secrets and namespaces is watched.
package audit
