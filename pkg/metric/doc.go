// Package metric asks metric providers: a provider, its credentials and a query go in, one number comes out.
//
// It is a door: it decides nothing. What a number means for a release, and what it means that there is none, is
// pkg/canary's business. Which query is asked is in pkg/metric/query.
package metric
