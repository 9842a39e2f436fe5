// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {StakeRegistry} from "../src/StakeRegistry.sol";
import {DrawQuery} from "../src/interfaces/IStakeRegistry.sol";
import {Fixture} from "./support/Fixture.sol";
import {RecordedHistories} from "./support/RecordedHistories.sol";

/// @notice The committee draw: reproducible, unmoved by what happens after its snapshot, fair by seats.
contract DrawTest is Fixture {
    /// EIP-7825: more fits no transaction.
    uint256 private constant TRANSACTION_GAS_LIMIT = 16_777_216;
    uint48 private taken;

    function query(bytes32 seed, uint256 size) private view returns (DrawQuery memory made) {
        made.seed = seed;
        made.snapshot = taken;
        made.size = size;
        made.minUplinkKbps = 1;
        made.proverPrefix = 1;
    }

    /// Ends the second in which the pool was made and returns a moment after it.
    function seal() private {
        taken = uint48(block.timestamp);
        vm.warp(block.timestamp + 1);
    }

    function pool(uint256 count) private {
        addMembers(count);
        seal();
    }

    function test_draw_isTheDocumentedSampling() public {
        pool(23);
        for (uint256 round = 0; round < 20; ++round) {
            bytes32 seed = keccak256(abi.encode("seed", round));
            address[] memory committee = registry.draw(query(seed, 8));
            same(committee.length, 8, "found all");
            // The rule again, as docs/contracts.md words it, on the test's own list: seat i is member i.
            uint256 found = 0;
            bool[] memory used = new bool[](23);
            for (uint256 t = 0; found < 8; ++t) {
                uint256 index = uint256(keccak256(abi.encode(seed, t))) % 23;
                if (used[index]) continue;
                used[index] = true;
                same(committee[found++], members[index].hot, "member");
            }
        }
    }

    function test_draw_ofAnEmptyPoolIsEmpty() public {
        seal();
        same(registry.draw(query("x", 8)).length, 0, "nobody");
    }

    function test_draw_findsAllOfASmallPoolAndNoMore() public {
        pool(5);
        for (uint256 round = 0; round < 10; ++round) {
            address[] memory committee = registry.draw(query(keccak256(abi.encode(round)), 8));
            same(committee.length, 5, "all");
            for (uint256 i = 0; i < 5; ++i) {
                for (uint256 j = 0; j < i; ++j) {
                    check(committee[i] != committee[j], "once each");
                }
            }
        }
    }

    function test_draw_takesOneOfAnOwnerAndOneOfAPrefix() public {
        pool(4);
        for (uint256 i = 0; i < 4; ++i) {
            Actor memory sameOwner = actor(0x5000 + i);
            sameOwner.cold = members[0].cold;
            enroll(sameOwner, host(3000 + i, 1), 1_000_000, 1, 0);
            Actor memory samePrefix = actor(0x6000 + i);
            enroll(samePrefix, host(1001, 100 + i), 1_000_000, 1, 0);
        }
        seal();
        for (uint256 round = 0; round < 30; ++round) {
            same(registry.draw(query(keccak256(abi.encode(round)), 12)).length, 4, "one each");
        }
    }

    function test_draw_skipsThePartiesTheProversPrefixAndWeakUplinks() public {
        pool(8);
        Actor memory weak = actor(0x7000);
        enroll(weak, host(4000, 1), 149_999, 1, 0);
        seal();
        DrawQuery memory made = query("x", 12);
        made.excluded = [members[0].cold, members[1].cold, members[2].cold];
        made.proverPrefix = (uint56(4) << 48) | uint56((20 << 16) | 1003);
        made.minUplinkKbps = 150_000;
        address[] memory committee = registry.draw(made);
        same(committee.length, 4, "the other four");
        for (uint256 i = 0; i < committee.length; ++i) {
            for (uint256 j = 0; j < 4; ++j) {
                check(committee[i] != members[j].hot, "excluded");
            }
            check(committee[i] != weak.hot, "weak");
        }
    }

    /// Colluders with a tenth of the seats claim a rate that, by their own word, only they can serve.
    function test_draw_ofARateThatFewCanServeIsNobodys() public {
        for (uint256 i = 0; i < 12; ++i) {
            enroll(actor(0x9000 + i), host(6000 + i, 1), 100_000_000, 1, 0);
        }
        pool(108);
        for (uint256 round = 0; round < 20; ++round) {
            DrawQuery memory made = query(keccak256(abi.encode(round)), 10);
            made.minUplinkKbps = 2_000_000;
            same(registry.draw(made).length, 0, "nobody");
            made.minUplinkKbps = 1_000_000;
            same(registry.draw(made).length, 10, "all able");
        }
    }

    /// Where half the seats are able, a committee is nearly always found.
    function test_draw_ofARateThatHalfCanServe() public {
        for (uint256 i = 0; i < 60; ++i) {
            enroll(actor(0x9000 + i), host(6000 + i, 1), 2_000_000, 1, 0);
        }
        pool(60);
        uint256 complete = 0;
        for (uint256 round = 0; round < 100; ++round) {
            DrawQuery memory made = query(keccak256(abi.encode(round)), 10);
            made.minUplinkKbps = 2_000_000;
            if (registry.draw(made).length == 10) ++complete;
        }
        check(complete > 90, "found");
    }

    /// Whatever is done to the registry after a snapshot, for as long as it can be drawn from: the same committee.
    function testFuzz_draw_isUnmovedByLaterChanges(bytes32 seed, uint256[24] memory moves) public {
        pool(14);
        address[] memory before = registry.draw(query(seed, 6));
        bytes32 name = registry.snapshotHash(taken);
        uint256 end = uint256(taken) + QUARANTINE;
        for (uint256 i = 0; i < moves.length; ++i) {
            _disturb(moves[i], end);
            if (block.timestamp > end) break;
            address[] memory present = registry.draw(query(seed, 6));
            same(keccak256(abi.encode(present)), keccak256(abi.encode(before)), "committee");
            same(registry.snapshotHash(taken), name, "name");
        }
    }

    /// A pool with a history: seats that ended and were cleared before the snapshot, then disturbed again after it.
    function testFuzz_draw_isUnmovedInAPoolWithHoles(bytes32 seed, uint256[16] memory moves) public {
        pool(14);
        for (uint256 i = 0; i < 8; ++i) {
            _disturb(moves[i], type(uint256).max);
        }
        vm.warp(block.timestamp + moves[0] % (2 * QUARANTINE));
        for (uint256 i = 0; i < 4; ++i) {
            _compact(moves[i]);
        }
        seal();
        address[] memory before = registry.draw(query(seed, 6));
        uint256 end = uint256(taken) + QUARANTINE;
        for (uint256 i = 8; i < moves.length && block.timestamp <= end; ++i) {
            same(
                keccak256(abi.encode(registry.draw(query(seed, 6)))),
                keccak256(abi.encode(before)),
                "committee"
            );
            _disturb(moves[i], end);
            _compact(moves[i] >> 8);
        }
    }

    function test_draw_isUnmovedInRecordedHistoryOfChanges() public {
        (bytes32 seed, uint256[24] memory moves) = RecordedHistories.laterChanges();
        testFuzz_draw_isUnmovedByLaterChanges(seed, moves);
    }

    function test_draw_isUnmovedInRecordedPoolWithHoles() public {
        (bytes32 seed, uint256[16] memory moves) = RecordedHistories.poolWithHoles();
        testFuzz_draw_isUnmovedInAPoolWithHoles(seed, moves);
    }

    function _disturb(uint256 move, uint256 end) private {
        Actor storage who = members[(move >> 8) % members.length];
        StakeRegistry.Node memory node = registry.nodeAt(who.node);
        uint256 kind = move % 6;
        if (kind == 0) {
            addMembers(1);
        } else if (kind == 1 && node.record != 0) {
            vm.prank(who.cold);
            registry.deregister(who.node);
        } else if (kind == 2 && node.record != 0) {
            uint256 need = node.seats < 2 ? SEAT * (2 - node.seats) : 0;
            vm.prank(who.cold);
            try registry.update{value: need}(who.node, endpoint(host(9000 + (move >> 16) % 99, 1), 5), 2) {}
                catch {}
        } else if (kind == 3) {
            _compact(move >> 16);
        } else if (kind == 4) {
            vm.prank(address(disputes));
            registry.slash(who.hot);
        } else {
            uint256 next = block.timestamp + ((move >> 16) % 2 hours);
            if (next <= end) vm.warp(next);
        }
    }

    function _compact(uint256 move) private {
        uint256[] memory holes = new uint256[](4);
        for (uint256 i = 0; i < 4; ++i) {
            holes[i] = (move >> (8 * i)) % (registry.seatCount() + 2);
        }
        registry.compact(holes);
    }

    // ------------------------------------------------------------------------------------------- clearing

    function test_compact_movesTheLastSeatAfterTheQuarantineOnly() public {
        addMembers(4);
        vm.prank(members[1].cold);
        registry.deregister(members[1].node);
        uint256[] memory holes = new uint256[](3);
        (holes[0], holes[1], holes[2]) = (1, 2, 77); // ended, alive, out of range
        same(registry.compact(holes), 0, "too early");
        vm.warp(START + QUARANTINE);
        same(registry.compact(holes), 1, "one");
        same(registry.seatAt(1).record, registry.nodeAt(members[3].node).record, "moved");
        same(registry.seatCount(), 4, "the old place stays");
        (holes[0], holes[1]) = (3, 3);
        same(registry.compact(holes), 0, "it too waits");
        vm.warp(START + 2 * QUARANTINE);
        same(registry.compact(holes), 1, "dropped");
        same(registry.seatCount(), 3, "count");
        seal();
        address[] memory committee = registry.draw(query("x", 4));
        same(committee.length, 3, "the three are still drawn");
    }

    function test_compact_ofTheTailDropsEndedSeatsOneByOne() public {
        addMembers(3);
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(members[i].cold);
            registry.deregister(members[i].node);
        }
        uint256[] memory holes = new uint256[](3);
        vm.warp(START + QUARANTINE);
        same(registry.compact(holes), 3, "all three, by the first index");
        same(registry.seatCount(), 0, "none left");
    }

    /// An ended seat at the end that still waits blocks clearing, and reverts nothing.
    function test_compact_waitsForAnEndedTail() public {
        addMembers(3);
        vm.prank(members[0].cold);
        registry.deregister(members[0].node);
        vm.warp(START + QUARANTINE - 1);
        vm.prank(members[2].cold);
        registry.deregister(members[2].node);
        vm.warp(START + QUARANTINE);
        same(registry.compact(new uint256[](1)), 0, "waits");
    }

    // ----------------------------------------------------------------------------------------------- fairness

    /// Ten members of one seat and a whale of as many seats as it may have: its share of first places follows
    /// its seats, and a committee holds it at most once.
    function test_draw_isWeightedBySeatsAndCapped() public {
        addMembers(10);
        Actor memory whale = actor(0x8000);
        enroll(whale, host(5000, 1), 1_000_000, 8, 0);
        seal();
        uint256 first = 0;
        uint256 any = 0;
        for (uint256 round = 0; round < 900; ++round) {
            address[] memory committee = registry.draw(query(keccak256(abi.encode(round)), 4));
            if (committee[0] == whale.hot) ++first;
            uint256 times = 0;
            for (uint256 i = 0; i < 4; ++i) {
                if (committee[i] == whale.hot) ++times;
            }
            atMost(times, 1, "once");
            any += times;
        }
        // Expected 8/18 of 900 = 400, standard deviation 15.
        check(first > 325 && first < 475, "first places by seats");
        check(any > first && any < 900, "but not always there");
    }

    /// The most tries, each with a record of its own to read and the longest comparison: one owner too few for the
    /// largest committee, each with as many nodes as it may have.
    function test_draw_thatMustFailFitsATransaction() public {
        for (uint256 i = 0; i < 63 * 8; ++i) {
            Actor memory node = actor(0x9000 + i);
            node.cold = address(uint160(0xc01d0000 + i % 63));
            vm.deal(node.cold, 100 ether);
            enroll(node, host(6000 + i, 1), 1_000_000, 1, 0);
        }
        seal();
        uint256 before = gasleft();
        same(registry.draw(query("one too few", 64)).length, 63, "all there are");
        atMost(before - gasleft(), TRANSACTION_GAS_LIMIT - 500_000, "gas");
    }

    function test_draw_inAPoolOfThousands() public {
        uint256 count = 2000;
        for (uint256 i = 0; i < count; ++i) {
            // Records and seats through the front door, with a stub for the consent's signature: 2,000 real ones
            // would take the test a while.
            Actor memory made;
            made.hot = address(uint160(0xabc0000 + i));
            made.cold = address(uint160(0xdef0000 + i));
            vm.deal(made.cold, SEAT);
            StakeRegistry.Consent memory given =
                StakeRegistry.Consent(made.hot, bytes32(i), uint64(block.timestamp), new bytes(65));
            vm.mockCall(address(1), "", abi.encode(made.hot));
            given.signature[64] = 0x1b;
            given.signature[31] = 0x01;
            given.signature[63] = 0x01;
            vm.prank(made.cold);
            registry.register{value: SEAT}(given, endpoint(host(i, 1), 1_000_000), 1);
        }
        vm.clearMockedCalls();
        seal();
        uint256 before = gasleft();
        same(registry.draw(query("thousands", 10)).length, 10, "ten");
        atMost(before - gasleft(), 400_000, "gas for ten");
        before = gasleft();
        same(registry.draw(query("thousands", 64)).length, 64, "sixty-four");
        atMost(before - gasleft(), 2_500_000, "gas for sixty-four");
    }
}
