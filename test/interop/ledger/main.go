// Checks a log with the Go team's own packages (golang.org/x/mod/sumdb), which know nothing of us.
//
//	interop log URL    reads vkey, checkpoint, tiles, entries, blocks and receipts under URL and verifies them all
//	interop note       prints a fresh vkey and a note signed with its key
//	interop receipt FILE VKEY COSIGNER-VKEY...
//	                   verifies a receipt that carries its document, and counts the cosigners under its checkpoint
package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "log":
		err = checkLog(os.Args[2])
	case len(os.Args) == 2 && os.Args[1] == "note":
		err = signNote()
	case len(os.Args) > 3 && os.Args[1] == "receipt":
		err = checkCosigned(os.Args[2], os.Args[3], os.Args[4:])
	default:
		err = fmt.Errorf("usage: interop log URL | interop note | interop receipt FILE VKEY COSIGNER-VKEY...")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func get(url string) ([]byte, error) {
	response, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, response.Status)
	}
	return io.ReadAll(response.Body)
}

// tiles reads C2SP tlog-tiles: the tiles of sumdb at height 8, without the height in the path. Each is fetched once.
type tiles struct {
	url   string
	known map[string][]byte
}

func (t tiles) Height() int                         { return 8 }
func (t tiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (t tiles) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range list {
		path := strings.TrimPrefix(tile.Path(), "tile/8/")
		data, known := t.known[path]
		if !known {
			var err error
			if data, err = get(t.url + "/tile/" + path); err != nil {
				return nil, err
			}
			t.known[path] = data
		}
		found = append(found, data)
	}
	return found, nil
}

func openCheckpoint(text []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return tlog.Tree{}, fmt.Errorf("not a checkpoint of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

func checkLog(url string) error {
	vkey, err := get(url + "/vkey")
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	if err != nil {
		return err
	}
	text, err := get(url + "/checkpoint")
	if err != nil {
		return err
	}
	tree, err := openCheckpoint(text, verifier)
	if err != nil {
		return err
	}
	hashes := tlog.TileHashReader(tree, tiles{url, map[string][]byte{}})
	if root, err := tlog.TreeHash(tree.N, hashes); err != nil || root != tree.Hash {
		return fmt.Errorf("tree hash: %v %v", root, err)
	}
	leaves := 0
	for bundle := int64(0); bundle*256 < tree.N; bundle++ {
		checked, err := checkBundle(url, verifier, tree, hashes, bundle)
		if err != nil {
			return fmt.Errorf("bundle %d: %w", bundle, err)
		}
		leaves += checked
	}
	blocks, err := checkBlocks(url, verifier, tree, hashes)
	if err != nil {
		return err
	}
	fmt.Printf("size %d, %d leaves, %d blocks\n", tree.N, leaves, blocks)
	return nil
}

// checkBundle compares every entry of a bundle with its leaf hash, proves the first and the last, and verifies our receipts
// of them.
func checkBundle(url string, verifier note.Verifier, tree tlog.Tree, hashes tlog.HashReader, bundle int64) (int, error) {
	width := min(256, tree.N-bundle*256)
	path := tlog.Tile{H: 8, L: 0, N: bundle, W: int(width)}.Path()
	data, err := get(url + "/tile/entries/" + strings.TrimPrefix(path, "tile/8/0/"))
	if err != nil {
		return 0, err
	}
	var indexes []int64
	for at := int64(0); at < width; at++ {
		indexes = append(indexes, tlog.StoredHashIndex(0, bundle*256+at))
	}
	known, err := hashes.ReadHashes(indexes)
	if err != nil {
		return 0, err
	}
	for at := int64(0); at < width; at++ {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return 0, fmt.Errorf("the bundle is cut")
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		record := tlog.RecordHash(data[2:end])
		data = data[end:]
		if record != known[at] {
			return 0, fmt.Errorf("entry %d does not have the hash in the tile", at)
		}
		if at != 0 && at != width-1 {
			continue
		}
		leaf := bundle*256 + at
		proof, err := tlog.ProveRecord(tree.N, leaf, hashes)
		if err != nil {
			return 0, err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, leaf, record); err != nil {
			return 0, err
		}
		if err := checkReceipt(url, verifier, leaf, record); err != nil {
			return 0, fmt.Errorf("receipt %d: %w", leaf, err)
		}
	}
	if len(data) != 0 {
		return 0, fmt.Errorf("the bundle is too long")
	}
	return int(width), nil
}

func checkReceipt(url string, verifier note.Verifier, leaf int64, record tlog.Hash) error {
	text, err := get(fmt.Sprintf("%s/receipt/%d", url, leaf))
	if err != nil {
		return err
	}
	head, checkpoint, found := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || lines[0] != "c2sp.org/tlog-proof@v1" || lines[1] != fmt.Sprintf("index %d", leaf) {
		return fmt.Errorf("not a tlog-proof of leaf %d", leaf)
	}
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	tree, err := openCheckpoint([]byte(checkpoint), verifier)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, leaf, record)
}

// cosigner verifies C2SP cosignature/v1 lines (type 4), which sumdb/note takes as one more kind of Verifier.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func newCosigner(vkey string) (cosigner, error) {
	name, rest, _ := strings.Cut(vkey, "+")
	id, encoded, _ := strings.Cut(rest, "+")
	hash, err := strconv.ParseUint(id, 16, 32)
	if err != nil {
		return cosigner{}, err
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != 4 {
		return cosigner{}, fmt.Errorf("%s: not the vkey of a cosigner", name)
	}
	return cosigner{name, uint32(hash), key[1:]}, nil
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), msg)
	return ed25519.Verify(c.key, []byte(signed), sig[8:])
}

func checkCosigned(file, vkey string, cosigners []string) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	verifiers := []note.Verifier{verifier}
	for _, vkey := range cosigners {
		c, err := newCosigner(vkey)
		if err != nil {
			return err
		}
		verifiers = append(verifiers, c)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, checkpoint, _ := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "extra ") {
		return fmt.Errorf("not a receipt with a document")
	}
	extra, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil {
		return err
	}
	var contents struct{ Document string }
	if err := json.Unmarshal(extra, &contents); err != nil {
		return err
	}
	leaf, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	tree, err := openCheckpoint([]byte(checkpoint), verifier)
	if err != nil {
		return err
	}
	opened, err := note.Open([]byte(checkpoint), note.VerifierList(verifiers...))
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(contents.Document))
	record := tlog.RecordHash(append([]byte{1}, digest[:]...))
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, leaf, record); err != nil {
		return err
	}
	fmt.Printf("leaf %d of %d, cosigned by %d\n", leaf, tree.N, len(opened.Sigs)-1)
	return nil
}

// checkBlocks proves that the tree of every block is a prefix of the latest.
func checkBlocks(url string, verifier note.Verifier, tree tlog.Tree, hashes tlog.HashReader) (int, error) {
	data, err := get(url + "/blocks?limit=1000")
	if err != nil {
		return 0, err
	}
	var list struct {
		Blocks []struct {
			Size       int64
			Root       string
			Checkpoint string
		}
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return 0, err
	}
	for _, block := range list.Blocks {
		old, err := openCheckpoint([]byte(block.Checkpoint), verifier)
		if err != nil {
			return 0, err
		}
		root, err := base64.StdEncoding.DecodeString(block.Root)
		if err != nil || old.N != block.Size || string(root) != string(old.Hash[:]) {
			return 0, fmt.Errorf("the block of size %d is not what its checkpoint says", block.Size)
		}
		proof, err := tlog.ProveTree(tree.N, old.N, hashes)
		if err != nil {
			return 0, err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
			return 0, err
		}
	}
	return len(list.Blocks), nil
}

func signNote() error {
	skey, vkey, err := note.GenerateKey(rand.Reader, "go.example/log")
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return err
	}
	signed, err := note.Sign(&note.Note{Text: "signed in Go\n\nwith an empty line — and a dash\n"}, signer)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n%s", vkey, signed)
	return nil
}
