use super::*;

/// A body that comes in these parts.
fn flow(parts: &[&[u8]]) -> Flow {
    // A body that is being taken over can be taken over itself.
    let state = State {
        parts: parts
            .iter()
            .map(|part| Part::Bytes(Bytes::copy_from_slice(part)))
            .collect(),
        end: Some(End::Complete),
        reader: None,
    };
    Flow::Filling(Filling(Rc::new(RefCell::new(state))))
}

fn cut(part: &[u8]) -> Flow {
    let state = State {
        parts: [Part::Bytes(Bytes::copy_from_slice(part))].into(),
        end: Some(End::Cut),
        reader: None,
    };
    Flow::Filling(Filling(Rc::new(RefCell::new(state))))
}

async fn read_whole(mut filling: Filling) -> (Vec<u8>, bool) {
    let mut whole = Vec::new();
    while let Some(part) = filling.next().await {
        match part {
            Ok(Part::Bytes(bytes)) => whole.extend_from_slice(&bytes),
            Ok(Part::File { file, offset, len }) => {
                whole.extend_from_slice(&read(&file, offset, len).unwrap());
            }
            Err(Cut) => return (whole, true),
        }
    }
    (whole, false)
}

fn bytes(kept: &Kept) -> Vec<u8> {
    match kept.part(0..kept.len()) {
        Part::Bytes(bytes) => bytes.to_vec(),
        Part::File { file, offset, len } => read(&file, offset, len).unwrap().to_vec(),
    }
}

#[tokio::test]
async fn what_is_kept_and_what_is_passed_on_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let long = vec![b'x'; 200 * 1024];
    let rows: [&[&[u8]]; 4] = [&[], &[b"hello"], &[b"he", b"llo"], &[&long, &long, b"end"]];
    for parts in rows {
        let len = parts.iter().map(|part| part.len() as u64).sum();
        let (pump, filling) = begin(flow(parts), Some(len), 1 << 20);
        let (kept, (passed, was_cut)) = tokio::join!(pump.run(folder.path()), read_whole(filling));
        let kept = kept.unwrap();
        assert_eq!(matches!(kept, Kept::File { .. }), len > IN_MEMORY);
        assert!(bytes(&kept) == parts.concat() && passed == parts.concat() && !was_cut);
    }
}

#[tokio::test]
async fn a_client_that_leaves_keeps_nothing_from_the_shelf() {
    let (pump, filling) = begin(flow(&[b"hello"]), None, 100);
    drop(filling);
    let kept = pump.run(Path::new("/nowhere")).await.unwrap();
    assert_eq!(bytes(&kept), b"hello");
}

#[tokio::test]
async fn what_is_not_whole_or_too_long_is_passed_on_and_not_kept() {
    for (flow, declared, most, passed, broke) in [
        (cut(b"hel"), Some(5), 100, &b"hel"[..], true),
        (flow(&[b"hel"]), Some(5), 100, b"hel", false),
        (flow(&[b"hello"]), Some(3), 100, b"hello", false),
        (
            flow(&[b"hello", b" world", b"!"]),
            None,
            6,
            b"hello world!",
            false,
        ),
    ] {
        let (pump, filling) = begin(flow, declared, most);
        let (kept, read) = tokio::join!(pump.run(Path::new("/nowhere")), read_whole(filling));
        assert!(kept.is_none(), "{kept:?}");
        assert_eq!(read, (passed.to_vec(), broke));
    }
}

#[tokio::test]
async fn a_body_that_is_here_is_gathered() {
    assert_eq!(gather(&mut flow(&[b"hello"])).await.unwrap(), "hello");
    assert_eq!(gather(&mut flow(&[b"he", b"llo"])).await.unwrap(), "hello");
    assert_eq!(gather(&mut cut(b"hello")).await, None);
}
