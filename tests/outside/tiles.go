// Reads a log's files with the packages that Go's checksum database uses (golang.org/x/mod/sumdb), and nothing of ours:
// opens the checkpoint, computes the tree from tiles, proves each record and each earlier tree.
//
//	tiles FOLDER VKEY: FOLDER holds checkpoint and tile/...
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

// Tiles in a folder, under the paths of C2SP tlog-tiles, which leave the height out.
type folder string

func (f folder) Height() int { return height }

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
		data, err := os.ReadFile(filepath.Join(string(f), path))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (f folder) tree(vkey string) tlog.Tree {
	verifier, err := note.NewVerifier(vkey)
	check(err)
	data, err := os.ReadFile(filepath.Join(string(f), "checkpoint"))
	check(err)
	opened, err := note.Open(data, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != verifier.Name() {
		check(fmt.Errorf("a checkpoint of %s", lines[0]))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	check(err)
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree
}

func (f folder) entries(size int64) [][]byte {
	var all [][]byte
	for int64(len(all)) < size {
		path := fmt.Sprintf("tile/entries/%03d", len(all)>>height) // the folder has fewer than a thousand bundles
		if width := size - int64(len(all)); width < 1<<height {
			path += fmt.Sprintf(".p/%d", width)
		}
		data, err := os.ReadFile(filepath.Join(string(f), path))
		check(err)
		for len(data) > 0 {
			end := 2 + int(binary.BigEndian.Uint16(data))
			all = append(all, data[2:end])
			data = data[end:]
		}
	}
	return all
}

func check(err error) {
	if err != nil {
		fmt.Println("refused:", err)
		os.Exit(1)
	}
}

func main() {
	files := folder(os.Args[1])
	tree := files.tree(os.Args[2])
	hashes := tlog.TileHashReader(tree, files)
	for index, entry := range files.entries(tree.N) {
		proof, err := tlog.ProveRecord(tree.N, int64(index), hashes)
		check(err)
		check(tlog.CheckRecord(proof, tree.N, tree.Hash, int64(index), tlog.RecordHash(entry)))
	}
	for size := int64(1); size < tree.N; size += 1 + tree.N/64 {
		proof, err := tlog.ProveTree(tree.N, size, hashes)
		check(err)
		earlier, err := tlog.TreeHash(size, hashes)
		check(err)
		check(tlog.CheckTree(proof, tree.N, tree.Hash, size, earlier))
	}
	fmt.Printf("accepted: %d records under %x\n", tree.N, tree.Hash[:])
}
