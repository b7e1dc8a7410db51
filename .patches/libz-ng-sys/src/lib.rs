//! Stand-in for the C `libz-ng-sys`: same names, backed by the pure-Rust zlib-rs. No cmake needed.
#![allow(non_camel_case_types, non_snake_case, clippy::missing_safety_doc)]
use core::ffi::{c_char, c_int, c_uint, c_ulong, c_void};
pub use libz_rs_sys::{
    Bytef, Z_BLOCK, Z_BUF_ERROR, Z_DATA_ERROR, Z_DEFAULT_STRATEGY, Z_DEFLATED, Z_FINISH, Z_FULL_FLUSH, Z_MEM_ERROR,
    Z_NEED_DICT, Z_NO_FLUSH, Z_OK, Z_PARTIAL_FLUSH, Z_STREAM_END, Z_STREAM_ERROR, Z_SYNC_FLUSH, internal_state, uInt,
    zlibVersion,
};
pub type alloc_func = unsafe extern "C" fn(*mut c_void, c_uint, c_uint) -> *mut c_void;
pub type free_func = unsafe extern "C" fn(*mut c_void, *mut c_void);
pub type z_streamp = *mut z_stream;
/// Layout of `libz_rs_sys::z_stream`, with non-optional allocators as in libz-ng-sys.
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
macro_rules! fwd { ($($n:ident($($a:ident: $t:ty),*);)*) => { $(pub unsafe fn $n(s: z_streamp $(, $a: $t)*) -> c_int { unsafe { libz_rs_sys::$n(s.cast() $(, $a)*) } })* } }
fwd! {
    deflate(flush: c_int); deflateEnd(); deflateReset(); deflateParams(level: c_int, strategy: c_int);
    deflateSetDictionary(d: *const Bytef, n: uInt);
    inflate(flush: c_int); inflateEnd(); inflateReset(); inflateReset2(bits: c_int); inflateSetDictionary(d: *const Bytef, n: uInt);
    deflateInit2_(level: c_int, method: c_int, bits: c_int, mem: c_int, strategy: c_int, v: *const c_char, size: c_int);
    inflateInit2_(bits: c_int, v: *const c_char, size: c_int);
}
