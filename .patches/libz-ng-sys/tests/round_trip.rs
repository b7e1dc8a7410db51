//! flate2 built on the stand-in gives back what it was given, at every level.

use std::io::{Read, Write};

use flate2::{Compression, read::GzDecoder, read::ZlibDecoder, write::GzEncoder, write::ZlibEncoder};

fn sample() -> Vec<u8> {
    (0..200_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> (n % 24)).to_le_bytes()).collect()
}

#[test]
fn gzip_and_zlib_give_back_what_they_were_given() {
    let sample = sample();
    for level in 0..=9 {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::new(level));
        gzip.write_all(&sample).unwrap();
        let (gzip, mut back) = (gzip.finish().unwrap(), Vec::new());
        GzDecoder::new(&gzip[..]).read_to_end(&mut back).unwrap();
        assert!(back == sample, "gzip at level {level}");

        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::new(level));
        zlib.write_all(&sample).unwrap();
        let (zlib, mut back) = (zlib.finish().unwrap(), Vec::new());
        ZlibDecoder::new(&zlib[..]).read_to_end(&mut back).unwrap();
        assert!(back == sample, "zlib at level {level}");
    }
}

#[test]
fn damage_is_noticed() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&sample()).unwrap();
    let mut gzip = gzip.finish().unwrap();
    let middle = gzip.len() / 2;
    gzip[middle] ^= 0xff;
    assert!(GzDecoder::new(&gzip[..]).read_to_end(&mut Vec::new()).is_err());
}
