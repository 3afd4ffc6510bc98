// Package canary decides how a new version of a workload gets its traffic: (spec, state, observation) -> plan.
package canary
