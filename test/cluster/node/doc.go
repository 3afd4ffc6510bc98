// Package node runs a single-node Kubernetes cluster out of its real components
// on Linux, as root and without Docker.
//
// Everything it starts lives in one place of each kind, so that Down ends
// exactly what Up began:
//
//	files, sockets, mounts   below Dir
//	processes                in the cgroup Cgroup, pods and shims included
//	network                  one bridge, one nft table, kube-proxy's nft tables
package node
