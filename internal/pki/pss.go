package pki

import (
	"crypto"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"math/big"
)

// signPSSNoSalt signs with RSASSA-PSS and a salt of no octets (RFC 8017
// §8.1.1 and §9.1.1), which crypto/rsa cannot be asked for. Not constant time:
// for throwaway keys only.
func signPSSNoSalt(key *rsa.PrivateKey, h crypto.Hash, digest []byte) ([]byte, error) {
	emBits := key.N.BitLen() - 1
	emLen := (emBits + 7) / 8
	if emLen < h.Size()+2 {
		return nil, errors.New("signing with RSASSA-PSS: the key is too short for the hash")
	}
	hash := h.New()
	hash.Write(make([]byte, 8))
	hash.Write(digest)
	hashed := hash.Sum(nil)

	em := make([]byte, emLen)
	db := em[:emLen-h.Size()-1]
	db[len(db)-1] = 0x01
	mask := mgf1(h, hashed, len(db))
	for i := range db {
		db[i] ^= mask[i]
	}
	db[0] &= 0xff >> (8*emLen - emBits)
	copy(em[len(db):], hashed)
	em[emLen-1] = 0xbc

	s := new(big.Int).Exp(new(big.Int).SetBytes(em), key.D, key.N)
	return s.FillBytes(make([]byte, key.Size())), nil
}

// mgf1 is the mask generation function of RFC 8017 appendix B.2.1.
func mgf1(h crypto.Hash, seed []byte, n int) []byte {
	var out []byte
	for counter := uint32(0); len(out) < n; counter++ {
		hash := h.New()
		hash.Write(seed)
		hash.Write(binary.BigEndian.AppendUint32(nil, counter))
		out = hash.Sum(out)
	}
	return out[:n]
}
