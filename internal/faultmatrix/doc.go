// Package faultmatrix holds nothing but tests: every operation of the SDK
// against every fault of docs/fault-matrix.md, with toxiproxy between client
// and simulator where the fault is one of the network. It is a module of its
// own, so that no user of the SDK downloads the proxy.
//
//	go test .            # compares with the document
//	go test . -update    # writes it
package faultmatrix
