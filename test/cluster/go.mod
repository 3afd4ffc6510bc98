module github.com/sluice-mesh/sluice/test/cluster

go 1.26.0
