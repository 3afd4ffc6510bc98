// Package redirect turns what a pod's redirection is told (variables of proxyinit, or annotations for the CNI plugin)
// into the rules that send its TCP connections to Envoy. It is the one source of these rules, whoever writes them.
package redirect
