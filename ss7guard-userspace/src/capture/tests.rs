use super::*;

/// A little-endian microsecond capture of link type `link` with these frames.
fn pcap(link: u32, frames: &[&[u8]]) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0];
    file.extend(link.to_le_bytes());
    for (second, frame) in (1u32..).zip(frames) {
        let len = u32::try_from(frame.len()).unwrap();
        for word in [second, 5, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend_from_slice(frame);
    }
    file
}

fn read(file: Vec<u8>) -> Result<Vec<(u64, u64, Vec<u8>)>, CaptureError> {
    let mut capture = Capture::read("test".to_owned(), io::Cursor::new(file))?;
    let mut frames = Vec::new();
    while let Some(frame) = capture.next_frame()? {
        frames.push((frame.number, frame.time_ns, frame.octets.to_vec()));
    }
    Ok(frames)
}

#[test]
fn frames_come_with_number_and_time() {
    let frames = read(pcap(1, &[&[1, 2, 3], &[4]])).unwrap();
    assert_eq!(frames, [(1, 1_000_005_000, vec![1, 2, 3]), (2, 2_000_005_000, vec![4])]);
}

#[test]
fn raw_ip_gets_an_ethernet_header() {
    let frames = read(pcap(101, &[&[0x45, 0], &[0x60, 0]])).unwrap();
    assert_eq!(frames[0].2[12..], [0x08, 0x00, 0x45, 0]);
    assert_eq!(frames[1].2[12..], [0x86, 0xdd, 0x60, 0]);
}

#[test]
fn a_cut_file_is_an_error_that_names_the_last_whole_frame() {
    let whole = pcap(1, &[&[1, 2, 3], &[4, 5, 6, 7]]);
    for cut in 1..20 {
        let error = read(whole[..whole.len() - cut].to_vec()).unwrap_err();
        assert!(matches!(error, CaptureError::Truncated { frame: 1, .. }), "{cut}: {error}");
    }
    assert!(matches!(read(whole[..10].to_vec()), Err(CaptureError::Truncated { frame: 0, .. })));
}

#[test]
fn what_is_no_capture_is_named() {
    let error = read(b"hello, world, this is no capture".to_vec()).unwrap_err();
    assert_eq!(error.to_string(), "test: neither pcap nor pcapng (the file starts with 68656c6c)");
    assert!(matches!(read(Vec::new()), Err(CaptureError::UnknownFormat { .. })));
}

#[test]
fn another_link_type_is_named() {
    let error = read(pcap(147, &[&[1]])).unwrap_err();
    assert!(matches!(error, CaptureError::LinkType { link_type: 147, .. }), "{error}");
}

#[test]
fn an_empty_capture_has_no_frames() {
    assert!(read(pcap(1, &[])).unwrap().is_empty());
}

#[test]
fn both_kinds_of_pcapng_packets_are_read() {
    // Section header, interface of link type 1, enhanced packet, simple packet.
    let words: &[u32] = &[
        0x0a0d_0d0a,
        28,
        0x1a2b_3c4d,
        1,
        u32::MAX,
        u32::MAX,
        28, //
        1,
        20,
        1,
        0,
        20, //
        6,
        36,
        0,
        0,
        7,
        3,
        3,
        0x0003_0201,
        36, //
        3,
        20,
        4,
        0x0706_0504,
        20,
    ];
    let frames = read(words.iter().flat_map(|word| word.to_le_bytes()).collect()).unwrap();
    assert_eq!(frames, [(1, 7_000, vec![1, 2, 3]), (2, 0, vec![4, 5, 6, 7])]);
}

#[test]
fn frames_are_whole_across_the_buffer() {
    let long = vec![0x5a; 60_000];
    let frames = read(pcap(1, &vec![long.as_slice(); 100])).unwrap();
    assert_eq!(frames.len(), 100);
    assert!(frames.iter().all(|(_, _, octets)| *octets == long));
}
