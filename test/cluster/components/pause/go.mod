module github.com/sluice-mesh/sluice/test/cluster/components/pause

go 1.26.0
