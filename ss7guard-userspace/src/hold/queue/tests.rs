use super::*;

const fn piece(tsn: u32) -> Piece {
    Piece { ports: 0x0b59_0b59, vtag: 7, tsn }
}

fn chunk(tsn: u32, fate: Option<Fate>) -> Chunk {
    Chunk { piece: piece(tsn), hash: u64::from(tsn), turn: 0, begins: true, authenticated: false, fate }
}

/// A queue of frames whose token is their number, and what has left it.
#[derive(Default)]
struct Line {
    queue: Queue<u64>,
    numbers: u32,
    left: Vec<(u64, bool)>,
    carried_out: Vec<(Vec<u64>, Vec<Option<Fate>>)>,
}

impl Line {
    fn push(&mut self, frame: u64, slot: u32, chunks: &[Chunk], fragment: bool) {
        self.numbers += 1;
        let (number, chunks) = (self.numbers, chunks.to_vec());
        let since_ns = frame * 10;
        self.queue.push(Arrived { frame, slot, number, since_ns, chunks, fragment, token: frame });
        self.release();
    }

    fn decide(&mut self, tsn: u32, fate: Fate) -> usize {
        let mut copies = 0;
        self.queue.decide(&piece(tsn), fate, |_| copies += 1);
        self.release();
        copies
    }

    fn release(&mut self) {
        let Self { queue, left, carried_out, .. } = self;
        queue.release(
            |tokens, chunks| {
                let tokens = tokens.iter().map(|token| **token).collect();
                let fates: Vec<_> = chunks.iter().map(|chunk| chunk.fate).collect();
                let drops = fates.contains(&Some(Fate::Drop));
                carried_out.push((tokens, fates));
                !drops
            },
            |released| left.push((released.token, released.goes_on)),
        );
    }

    fn left(&mut self) -> Vec<(u64, bool)> {
        std::mem::take(&mut self.left)
    }
}

#[test]
fn what_is_judged_leaves_at_once_and_nothing_overtakes() {
    let mut line = Line::default();
    line.push(1, 5, &[chunk(1, Some(Fate::Pass))], false);
    assert_eq!(line.left(), [(1, true)]);
    line.push(2, 5, &[chunk(2, None)], false);
    line.push(3, 5, &[chunk(3, Some(Fate::Pass))], false);
    line.push(4, 5, &[], false);
    // Another host pair does not wait.
    line.push(5, 6, &[], false);
    assert_eq!(line.left(), [(5, true)]);
    assert_eq!(line.queue.len(), 3);
    line.decide(2, Fate::Pass);
    assert_eq!(line.left(), [(2, true), (3, true), (4, true)]);
    assert!(line.queue.is_empty() && line.carried_out.is_empty());
    assert!(line.queue.slots.is_empty() && line.queue.open.is_empty() && line.queue.pieces.is_empty());
}

#[test]
fn a_frame_waits_for_all_of_its_chunks_and_each_copy_has_one_fate() {
    let mut line = Line::default();
    line.push(1, 5, &[chunk(1, None), chunk(2, None), chunk(3, Some(Fate::Pass))], false);
    line.push(2, 5, &[chunk(2, None)], false);
    assert_eq!(line.decide(1, Fate::Pass), 1);
    assert_eq!(line.left(), []);
    assert_eq!(line.decide(2, Fate::Stop), 2);
    assert_eq!(line.left(), [(1, true), (2, true)]);
    let stopped = Some(Fate::Stop);
    let passed = Some(Fate::Pass);
    assert_eq!(line.carried_out, [(vec![1], vec![passed, stopped, passed]), (vec![2], vec![stopped])]);
    // Nobody waits for it any more.
    assert_eq!(line.decide(2, Fate::Stop), 0);
}

#[test]
fn a_frame_that_is_dropped_leaves_in_order_too() {
    let mut line = Line::default();
    line.push(1, 5, &[chunk(1, None)], false);
    line.push(2, 5, &[chunk(2, Some(Fate::Drop))], false);
    assert_eq!(line.left(), []);
    line.decide(1, Fate::Pass);
    assert_eq!(line.left(), [(1, true), (2, false)]);
}

#[test]
fn fragments_of_a_packet_wait_for_it_and_then_for_its_chunks() {
    let mut line = Line::default();
    line.push(1, 5, &[], true);
    line.push(2, 5, &[], false);
    line.push(3, 5, &[], true);
    assert_eq!(line.left(), []);
    assert_eq!(line.queue.tokens(&[3, 1]), Some(vec![&3, &1]));
    assert!(line.queue.join(&[3, 1], vec![chunk(9, None)]));
    line.release();
    assert_eq!(line.left(), []);
    assert_eq!(line.decide(9, Fate::Stop), 1);
    // Rewritten together, in the order of their offset; each leaves in its turn.
    assert_eq!(line.carried_out, [(vec![3, 1], vec![Some(Fate::Stop)])]);
    assert_eq!(line.left(), [(1, true), (2, true), (3, true)]);
    assert!(line.queue.packets.is_empty() && line.queue.open.is_empty() && line.queue.pieces.is_empty());
}

#[test]
fn a_packet_with_nothing_in_it_passes() {
    let mut line = Line::default();
    line.push(1, 5, &[], true);
    line.push(2, 5, &[], true);
    assert!(line.queue.join(&[1, 2], Vec::new()));
    line.release();
    assert_eq!(line.left(), [(1, true), (2, true)]);
}

#[test]
fn a_packet_of_which_a_part_has_left_goes_on() {
    let mut line = Line::default();
    line.push(1, 5, &[], true);
    assert_eq!(line.queue.expire(11, Fate::Pass, |_| {}), 1);
    line.release();
    assert_eq!(line.left(), [(1, true)]);
    line.push(2, 5, &[], true);
    assert_eq!(line.queue.tokens(&[1, 2]), None);
    assert!(!line.queue.join(&[1, 2], Vec::new()));
    line.release();
    assert_eq!(line.left(), [(2, true)]);
    assert!(line.queue.open.is_empty());
}

#[test]
fn time_decides_about_what_nobody_has_judged() {
    let mut line = Line::default();
    line.push(1, 5, &[chunk(1, None)], false);
    line.push(2, 5, &[chunk(2, None)], false);
    line.push(3, 5, &[], true);
    assert_eq!(line.queue.oldest_open(), Some(10));
    let mut told = Vec::new();
    assert_eq!(line.queue.expire(20, Fate::Pass, |chunk| told.push(chunk.piece.tsn)), 1);
    line.release();
    assert_eq!((line.left(), told), (vec![(1, true)], vec![1]));
    assert_eq!(line.queue.oldest_open(), Some(20));
    assert_eq!(line.queue.expire(31, Fate::Drop, |_| {}), 2);
    line.release();
    assert_eq!(line.left(), [(2, false), (3, false)]);
    assert_eq!(line.queue.expire(u64::MAX, Fate::Pass, |_| {}), 0);
    assert_eq!(line.queue.oldest_open(), None);
}

#[test]
fn all_can_be_given_up() {
    let mut line = Line::default();
    line.push(1, 5, &[chunk(1, None)], false);
    line.push(2, 6, &[], true);
    let (mut open, mut gone) = (Vec::new(), Vec::new());
    line.queue
        .clear(|chunk| open.push(chunk.piece.tsn), |released| gone.push((released.slot, released.goes_on)));
    gone.sort_unstable();
    assert_eq!((open, gone), (vec![1], vec![(5, false), (6, false)]));
    assert!(line.queue.is_empty());
    assert_eq!(line.decide(1, Fate::Stop), 0);
}

#[test]
fn the_first_of_a_line_is_cut_where_its_judgement_ends() {
    let mut line = Line::default();
    let at = |turn, fate| Chunk { turn, ..chunk(u32::from(turn), fate) };
    let passed = Some(Fate::Pass);
    line.push(1, 5, &[at(1, passed), at(2, Some(Fate::Stop)), at(4, None), at(5, passed)], false);
    line.push(2, 5, &[at(1, passed), at(9, None)], false);
    let mut asked = Vec::new();
    let mut gone = Vec::new();
    let mut cut = |line: &mut Line, before_ns| {
        line.queue.cut(
            before_ns,
            |token, judged, turn| {
                asked.push((*token, judged.len(), turn));
                *token += 100;
                Some(*token + 100)
            },
            |slot, token| gone.push((slot, token)),
        );
    };
    cut(&mut line, 10);
    cut(&mut line, 1_000);
    // What is left begins with what is open; nothing can be cut before that, nor behind it in the line.
    cut(&mut line, 1_000);
    assert_eq!((asked, gone), (vec![(1, 2, 4)], vec![(5, 201)]));
    assert_eq!(line.left(), []);
    line.decide(4, Fate::Stop);
    assert_eq!(line.left(), [(101, true)]);
    let fates = vec![Some(Fate::Stop), passed];
    assert_eq!(line.carried_out, [(vec![101], fates)]);
    // Of one that cannot be cut nobody asks twice.
    let mut times = 0;
    for _ in 0..3 {
        line.queue.cut(
            1_000,
            |_, _, _| {
                times += 1;
                None
            },
            |_, _| {},
        );
    }
    assert_eq!(times, 1);
}
