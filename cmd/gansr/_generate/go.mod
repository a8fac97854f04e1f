module github.com/gansr/gansr/cmd/gansr/_generate

go 1.26.0
