//! Stand-in for the C `libz-ng-sys`: the names that flate2 calls, backed by zlib-rs, so that a build needs no cmake.
//!
//! Why: pingora-core asks for `flate2/zlib-ng` unconditionally, and that crate's build script runs cmake, which a bare
//! machine does not have. It can go on the day that pingora makes its zlib a choice, or builds without cmake.
#![allow(non_camel_case_types, non_snake_case, reason = "the names of the C library")]
#![allow(clippy::missing_safety_doc, clippy::too_many_arguments, missing_docs, reason = "the contract is zlib's own")]

use core::ffi::{c_char, c_int, c_uint, c_ulong, c_void};

pub use libz_rs_sys::{
    Bytef, Z_BLOCK, Z_BUF_ERROR, Z_DATA_ERROR, Z_DEFAULT_STRATEGY, Z_DEFLATED, Z_FINISH, Z_FULL_FLUSH, Z_MEM_ERROR,
    Z_NEED_DICT, Z_NO_FLUSH, Z_OK, Z_PARTIAL_FLUSH, Z_STREAM_END, Z_STREAM_ERROR, Z_SYNC_FLUSH, internal_state, uInt,
    zlibVersion,
};

pub type alloc_func = unsafe extern "C" fn(*mut c_void, c_uint, c_uint) -> *mut c_void;
pub type free_func = unsafe extern "C" fn(*mut c_void, *mut c_void);
pub type z_streamp = *mut z_stream;

/// The layout of `libz_rs_sys::z_stream`, with the allocators not optional, as libz-ng-sys has them.
#[repr(C)]
pub struct z_stream {
    pub next_in: *const u8,
    pub avail_in: c_uint,
    pub total_in: c_ulong,
    pub next_out: *mut u8,
    pub avail_out: c_uint,
    pub total_out: c_ulong,
    pub msg: *mut c_char,
    pub state: *mut internal_state,
    pub zalloc: alloc_func,
    pub zfree: free_func,
    pub opaque: *mut c_void,
    pub data_type: c_int,
    pub adler: c_ulong,
    pub reserved: c_ulong,
}

const _: () = assert!(size_of::<z_stream>() == size_of::<libz_rs_sys::z_stream>());

macro_rules! forward {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {$(
        pub unsafe fn $name(stream: z_streamp $(, $argument: $type)*) -> c_int {
            // SAFETY: the caller keeps zlib's contract, and both streams have one layout.
            unsafe { libz_rs_sys::$name(stream.cast() $(, $argument)*) }
        }
    )*};
}

forward! {
    deflate(flush: c_int);
    deflateEnd();
    deflateReset();
    deflateParams(level: c_int, strategy: c_int);
    deflateSetDictionary(dictionary: *const Bytef, length: uInt);
    deflateInit2_(level: c_int, method: c_int, bits: c_int, memory: c_int, strategy: c_int, version: *const c_char, size: c_int);
    inflate(flush: c_int);
    inflateEnd();
    inflateReset();
    inflateReset2(bits: c_int);
    inflateSetDictionary(dictionary: *const Bytef, length: uInt);
    inflateInit2_(bits: c_int, version: *const c_char, size: c_int);
}
