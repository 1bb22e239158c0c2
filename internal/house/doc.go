// Package house holds the tests about the repository itself: who may import
// whom, how things are named, and whether the pages keep what they promise.
package house
