// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {StakeRegistry} from "../src/StakeRegistry.sol";
import {DrawQuery} from "../src/interfaces/IStakeRegistry.sol";
import {Prefixes} from "../src/libraries/Prefixes.sol";
import {Fixture} from "./support/Fixture.sol";

contract StakeRegistryTest is Fixture {
    Actor private alice;

    function setUp() public override {
        super.setUp();
        alice = actor(0xA);
    }

    // -------------------------------------------------------------------------------------- registration

    function test_register_bindsKeyOwnerAndSeats() public {
        alice.node = enroll(alice, host(1, 9), 500_000, 3, 0);
        same(registry.ownerOf(alice.hot), alice.cold, "owner");
        same(registry.nodeOf(alice.hot), alice.node, "node");
        StakeRegistry.Node memory node = registry.nodeAt(alice.node);
        StakeRegistry.Record memory record = registry.recordAt(node.record);
        same(record.hotKey, alice.hot, "hot key");
        same(record.uplinkKbps, 500_000, "uplink");
        same(record.prefix, (uint256(4) << 48) | (20 << 16) | 1, "prefix");
        same(registry.seatCount(), 3, "seats");
        same(registry.seatsOf(alice.cold), 3, "seats of the owner");
        same(registry.stakeOf(alice.node), 3 * SEAT, "stake");
        StakeRegistry.Seat memory seat = registry.seatAt(2);
        same(seat.record, node.record, "seat's record");
        same(seat.since, START, "seat's start");
    }

    function test_register_needsTheExactValue() public {
        StakeRegistry.Consent memory made = consent(alice.key, alice.cold);
        vm.startPrank(alice.cold);
        vm.expectRevert(abi.encodeWithSelector(StakeRegistry.WrongValue.selector, SEAT, 2 * SEAT));
        registry.register{value: SEAT}(made, endpoint(host(1, 1), 1), 2);
        vm.expectRevert(abi.encodeWithSelector(StakeRegistry.WrongValue.selector, 1, 0));
        registry.register{value: 1}(made, endpoint(host(1, 1), 1), 0);
    }

    function test_register_refusesMoreSeatsThanTheCap_overSeveralNodes() public {
        enroll(alice, host(1, 1), 1, 5, 0);
        Actor memory second = actor(0xAA);
        second.cold = alice.cold;
        StakeRegistry.Consent memory made = consent(second.key, alice.cold);
        vm.prank(alice.cold);
        vm.expectRevert(abi.encodeWithSelector(StakeRegistry.TooManySeats.selector, 9, 8));
        registry.register{value: 4 * SEAT}(made, endpoint(host(2, 1), 1), 4);
        vm.prank(alice.cold);
        registry.register{value: 3 * SEAT}(made, endpoint(host(2, 1), 1), 3);
    }

    function test_register_refusesBadEndpoints() public {
        StakeRegistry.Consent memory made = consent(alice.key, alice.cold);
        StakeRegistry.Endpoint memory bad = endpoint(0, 1);
        refuse(made, bad, 0, StakeRegistry.InvalidEndpoint.selector);
        refuse(made, endpoint(host(1, 1), 100_000_001), 0, StakeRegistry.InvalidEndpoint.selector);
        refuse(made, endpoint(host(1, 1), 0), 1, StakeRegistry.InvalidEndpoint.selector);
        bad = endpoint(host(1, 1), 1);
        bad.udpPort = 0;
        refuse(made, bad, 1, StakeRegistry.InvalidEndpoint.selector);
        bad = endpoint(host(1, 1), 1);
        bad.addresses = new bytes(1609);
        refuse(made, bad, 1, StakeRegistry.InvalidEndpoint.selector);
    }

    function test_register_takesOnlyGlobalHostsOnPublicChains() public {
        StakeRegistry.Endpoint memory home = endpoint(bytes16(uint128(0xffffc0a80101)), 1);
        vm.chainId(1);
        StakeRegistry.Consent memory made = consent(alice.key, alice.cold);
        refuse(made, home, 0, StakeRegistry.HostNotGlobal.selector);
        vm.prank(alice.cold);
        registry.register(made, endpoint(host(1, 1), 1), 0);
    }

    function test_prefixes_globalHosts() public pure {
        uint32[16] memory special = [
            uint32(0x00000001),
            0x0a000001,
            0x64400001,
            0x647fffff,
            0x7f000001,
            0xa9fe0001,
            0xac100001,
            0xac1fffff,
            0xc0a80001,
            0xc6120001,
            0xc613ffff,
            0xc0000001,
            0xc0000201,
            0xc6336401,
            0xcb007101,
            0xe0000001
        ];
        for (uint256 i = 0; i < special.length; ++i) {
            check(!Prefixes.isGlobal(bytes16(uint128(0xffff00000000 | uint256(special[i])))), "special v4");
        }
        uint32[8] memory plain = [
            uint32(0x01010101),
            0x643fffff,
            0x64800000,
            0xac0fffff,
            0xac200000,
            0xc6140000,
            0x08080808,
            0xdfffffff
        ];
        for (uint256 i = 0; i < plain.length; ++i) {
            check(Prefixes.isGlobal(bytes16(uint128(0xffff00000000 | uint256(plain[i])))), "plain v4");
        }
        check(Prefixes.isGlobal(0x26064700000000000000000000001111), "plain v6");
        check(!Prefixes.isGlobal(0x20020102030400000000000000000001), "6to4");
        check(!Prefixes.isGlobal(0x20010000000000000000000000000001), "Teredo");
        check(!Prefixes.isGlobal(0x20010db8000000000000000000000001), "documentation");
        check(!Prefixes.isGlobal(0xfd000000000000000000000000000001), "unique local");
        check(!Prefixes.isGlobal(0xfe800000000000000000000000000001), "link local");
        check(!Prefixes.isGlobal(0x0064ff9b000000000000000001020304), "NAT64");
        check(!Prefixes.isGlobal(bytes16(uint128(1))), "loopback");
    }

    function test_prefixes_v6IsA48() public pure {
        same(
            Prefixes.prefixOf(0x26064700123400000000000000001111),
            (uint256(6) << 48) | 0x260647001234,
            "prefix"
        );
        check(
            Prefixes.prefixOf(0x26064700123400010000000000001111)
                == Prefixes.prefixOf(0x26064700123499990000000000000001),
            "same /48"
        );
    }

    function refuse(
        StakeRegistry.Consent memory made,
        StakeRegistry.Endpoint memory bad,
        uint8 seats,
        bytes4 error
    ) private {
        vm.prank(alice.cold);
        vm.expectPartialRevert(error);
        registry.register{value: seats * SEAT}(made, bad, seats);
    }

    // ---------------------------------------------------------------------------------------- the consent

    function test_consent_servesOneOwnerOnce() public {
        StakeRegistry.Consent memory made = consent(alice.key, alice.cold);
        address thief = address(0xbad);
        vm.prank(thief);
        vm.expectPartialRevert(StakeRegistry.InvalidConsent.selector);
        registry.register(made, endpoint(host(1, 1), 1), 0);
        vm.startPrank(alice.cold);
        registry.register(made, endpoint(host(1, 1), 1), 0);
        vm.expectPartialRevert(StakeRegistry.ConsentSpent.selector);
        registry.register(made, endpoint(host(1, 1), 1), 0);
    }

    function test_consent_isForThisChainAndContract() public {
        StakeRegistry.Consent memory made = consent(alice.key, alice.cold);
        StakeRegistry other = new StakeRegistry(address(1), terms());
        vm.startPrank(alice.cold);
        vm.expectPartialRevert(StakeRegistry.InvalidConsent.selector);
        other.register(made, endpoint(host(1, 1), 1), 0);
        vm.chainId(5);
        vm.expectPartialRevert(StakeRegistry.InvalidConsent.selector);
        registry.register(made, endpoint(host(1, 1), 1), 0);
    }

    function test_consent_expires() public {
        StakeRegistry.Consent memory made = consent(alice.key, alice.cold);
        vm.warp(made.expiry + 1);
        vm.prank(alice.cold);
        vm.expectRevert(abi.encodeWithSelector(StakeRegistry.ConsentExpired.selector, made.expiry));
        registry.register(made, endpoint(host(1, 1), 1), 0);
    }

    function test_consent_refusesTheOtherSOfASignature() public {
        StakeRegistry.Consent memory made = consent(alice.key, alice.cold);
        (bytes32 r, bytes32 s) = (bytes32(0), bytes32(0));
        bytes memory signature = made.signature;
        assembly {
            r := mload(add(signature, 32))
            s := mload(add(signature, 64))
        }
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        made.signature =
            abi.encodePacked(r, order - uint256(s), signature[64] == 0x1b ? uint8(28) : uint8(27));
        vm.prank(alice.cold);
        vm.expectPartialRevert(ECDSA.ECDSAInvalidSignatureS.selector);
        registry.register(made, endpoint(host(1, 1), 1), 0);
    }

    function test_consent_aKeyHasOneOpenNodeAndOneOwnerForEver() public {
        alice.node = enroll(alice, host(1, 1), 1, 1, 0);
        StakeRegistry.Consent memory made = consent(alice.key, alice.cold);
        vm.prank(alice.cold);
        vm.expectPartialRevert(StakeRegistry.KeyTaken.selector);
        registry.register(made, endpoint(host(1, 1), 1), 0);
        vm.prank(alice.cold);
        registry.deregister(alice.node);
        vm.prank(alice.cold);
        vm.expectPartialRevert(StakeRegistry.KeyTaken.selector);
        registry.register(made, endpoint(host(1, 1), 1), 0);
        vm.warp(block.timestamp + UNBONDING);
        registry.withdraw(alice.node);
        // A thief of the hot key cannot take it, and with it old fees, to a wallet of its own.
        address thief = address(0xbad);
        StakeRegistry.Consent memory stolen = consent(alice.key, thief);
        vm.prank(thief);
        vm.expectPartialRevert(StakeRegistry.KeyTaken.selector);
        registry.register(stolen, endpoint(host(1, 1), 1), 0);
        made = consent(alice.key, alice.cold);
        vm.prank(alice.cold);
        uint32 again = registry.register(made, endpoint(host(1, 1), 1), 0);
        same(registry.nodeOf(alice.hot), again, "the same owner may");
    }

    // --------------------------------------------------------------------------------------- the changes

    function test_update_changesSeatsBothWays() public {
        alice.node = enroll(alice, host(1, 1), 1, 2, 0);
        vm.startPrank(alice.cold);
        vm.warp(START + QUARANTINE);
        vm.expectPartialRevert(StakeRegistry.WrongValue.selector);
        registry.update{value: SEAT}(alice.node, endpoint(host(1, 1), 1), 4);
        registry.update{value: 2 * SEAT}(alice.node, endpoint(host(2, 1), 7), 4);
        same(registry.stakeOf(alice.node), 4 * SEAT, "more");
        same(registry.recordAt(registry.nodeAt(alice.node).record).uplinkKbps, 7, "uplink");
        vm.warp(START + 2 * QUARANTINE);
        registry.update(alice.node, endpoint(host(2, 1), 7), 1);
        same(registry.nodeAt(alice.node).unbonding, 3 * SEAT, "unbonding");
        same(registry.stakeOf(alice.node), 4 * SEAT, "still slashable");
        same(registry.seatsOf(alice.cold), 1, "seats");
        vm.expectPartialRevert(StakeRegistry.StillBonded.selector);
        registry.withdraw(alice.node);
        vm.warp(block.timestamp + UNBONDING);
        uint256 before = alice.cold.balance;
        registry.withdraw(alice.node);
        same(alice.cold.balance - before, 3 * SEAT, "paid");
    }

    /// Freed seats dilute the draw until they are cleared: nobody makes more of them than its stake allows.
    function test_update_ofASeatedNodeOnceAQuarantine() public {
        alice.node = enroll(alice, host(1, 1), 1, 1, 0);
        vm.startPrank(alice.cold);
        vm.warp(START + QUARANTINE - 1);
        vm.expectRevert(abi.encodeWithSelector(StakeRegistry.ChangedTooRecently.selector, START + QUARANTINE));
        registry.update(alice.node, endpoint(host(2, 1), 1), 1);
        vm.stopPrank();
        StakeRegistry.Consent memory made = consent(0xA2, alice.cold);
        vm.startPrank(alice.cold);
        vm.expectPartialRevert(StakeRegistry.ChangedTooRecently.selector);
        registry.rotate(alice.node, made, endpoint(host(2, 1), 1), 1);
        registry.deregister(alice.node); // leaving never waits
    }

    function test_rotate_keepsTheOldKeySlashable() public {
        alice.node = enroll(alice, host(1, 1), 1, 2, 0);
        vm.warp(START + QUARANTINE);
        StakeRegistry.Consent memory made = consent(0xA2, alice.cold);
        vm.prank(alice.cold);
        registry.rotate(alice.node, made, endpoint(host(1, 1), 1), 2);
        same(registry.ownerOf(alice.hot), alice.cold, "old key's payouts");
        same(registry.ownerOf(made.hotKey), alice.cold, "new key's");
        vm.expectPartialRevert(StakeRegistry.NotActiveSince.selector);
        registry.activeSince(alice.hot, uint48(block.timestamp));
        vm.prank(address(disputes));
        registry.slash(alice.hot);
        same(registry.stakeOf(alice.node), SEAT, "half of it went");
    }

    function test_rotate_joinsAgainAfterLeaving() public {
        alice.node = enroll(alice, host(1, 1), 1, 1, 0);
        vm.prank(alice.cold);
        registry.deregister(alice.node);
        vm.prank(alice.cold);
        vm.expectPartialRevert(StakeRegistry.NotRegistered.selector);
        registry.update{value: SEAT}(alice.node, endpoint(host(1, 1), 1), 1);
        StakeRegistry.Consent memory made = consent(alice.key, alice.cold);
        vm.prank(alice.cold);
        registry.rotate{value: SEAT}(alice.node, made, endpoint(host(1, 1), 1), 1);
        same(registry.stakeOf(alice.node), 2 * SEAT, "old stake unbonds, new is bonded");
    }

    function test_changes_areTheOwnersAlone() public {
        alice.node = enroll(alice, host(1, 1), 1, 1, 0);
        StakeRegistry.Consent memory made = consent(0xA2, address(this));
        vm.warp(START + QUARANTINE);
        vm.expectPartialRevert(StakeRegistry.NotOwner.selector);
        registry.update(alice.node, endpoint(host(1, 1), 1), 1);
        vm.expectPartialRevert(StakeRegistry.NotOwner.selector);
        registry.rotate(alice.node, made, endpoint(host(1, 1), 1), 1);
        vm.expectPartialRevert(StakeRegistry.NotOwner.selector);
        registry.deregister(alice.node);
        vm.prank(alice.hot); // not even the hot key's
        vm.expectPartialRevert(StakeRegistry.NotOwner.selector);
        registry.deregister(alice.node);
    }

    // ----------------------------------------------------------------------------------- leaving, slashing

    function test_exit_paysTheColdWalletWhoeverCalls() public {
        alice.node = enroll(alice, host(1, 1), 1, 8, 0);
        vm.prank(alice.cold);
        registry.deregister(alice.node);
        vm.expectPartialRevert(StakeRegistry.NotRegistered.selector);
        vm.prank(alice.cold);
        registry.deregister(alice.node);
        vm.warp(block.timestamp + UNBONDING - 1);
        vm.expectPartialRevert(StakeRegistry.StillBonded.selector);
        registry.withdraw(alice.node);
        vm.warp(block.timestamp + 1);
        uint256 before = alice.cold.balance;
        registry.withdraw(alice.node);
        same(alice.cold.balance - before, 8 * SEAT, "everything");
        vm.expectRevert(StakeRegistry.NothingToWithdraw.selector);
        registry.withdraw(alice.node);
    }

    function test_slash_onlyByTheDisputes() public {
        vm.expectRevert(abi.encodeWithSelector(StakeRegistry.OnlySlasher.selector, address(this)));
        registry.slash(prover.hot);
    }

    function test_slash_reachesLeavingStakeAndEndsTheSeats() public {
        alice.node = enroll(alice, host(1, 1), 1, 4, 0);
        vm.warp(START + QUARANTINE);
        vm.prank(alice.cold);
        registry.update(alice.node, endpoint(host(1, 1), 1), 1); // three seats leave
        uint256 before = address(disputes).balance;
        vm.prank(address(disputes));
        uint256 reward = registry.slash(alice.hot);
        same(reward, 4 * uint256(SEAT) / 2 / 5, "a fifth of a half");
        same(address(disputes).balance - before, reward, "paid");
        same(registry.burnable(), 2 * SEAT - reward, "the rest burns");
        same(registry.seatsOf(alice.cold), 0, "no seats");
        same(registry.nodeAt(alice.node).record, 0, "no record");
        vm.warp(block.timestamp + UNBONDING);
        registry.withdraw(alice.node);
        same(address(registry).balance, registry.burnable(), "what is left burns");
        uint256 zero = address(0).balance;
        registry.burn();
        same(address(0).balance - zero, 2 * SEAT - reward, "burned");
        vm.expectRevert(StakeRegistry.NothingToWithdraw.selector);
        registry.burn();
    }

    function test_slash_ofSomebodyWithoutStakeTakesNothing() public {
        vm.prank(address(disputes));
        same(registry.slash(prover.hot), 0, "no stake");
        vm.prank(address(disputes));
        same(registry.slash(address(0xdead)), 0, "unknown");
    }

    function test_withdraw_ofAWalletThatRefusesHurtsNobodyElse() public {
        alice.cold = address(new Refuser());
        vm.deal(alice.cold, 10 ether);
        alice.node = enroll(alice, host(1, 1), 1, 1, 0);
        vm.prank(alice.cold);
        registry.deregister(alice.node);
        vm.warp(block.timestamp + UNBONDING);
        vm.expectPartialRevert(StakeRegistry.TransferFailed.selector);
        registry.withdraw(alice.node);
    }

    function test_withdraw_cannotBeReentered() public {
        Reenterer wallet = new Reenterer();
        alice.cold = address(wallet);
        vm.deal(alice.cold, 1 ether);
        alice.node = enroll(alice, host(1, 1), 1, 1, 0);
        Actor memory other = actor(0xB);
        enroll(other, host(2, 1), 1, 1, 0);
        vm.prank(alice.cold);
        registry.deregister(alice.node);
        vm.warp(block.timestamp + UNBONDING);
        wallet.arm(registry, alice.node);
        registry.withdraw(alice.node);
        check(wallet.blocked(), "the second entry failed");
        same(address(registry).balance, SEAT, "the other's stake is there");
    }

    // ---------------------------------------------------------------------------------------- snapshots

    function test_snapshot_onlyOfThePast() public {
        vm.expectPartialRevert(StakeRegistry.SnapshotNotPast.selector);
        registry.snapshotHash(uint48(block.timestamp));
        DrawQuery memory query;
        query.snapshot = uint48(block.timestamp - QUARANTINE - 1);
        vm.expectPartialRevert(StakeRegistry.SnapshotTooOld.selector);
        registry.draw(query);
    }

    function test_snapshot_hashNamesTheState() public {
        vm.warp(START + 10);
        bytes32 before = registry.snapshotHash(uint48(START + 5));
        enroll(alice, host(1, 1), 1, 1, 0);
        vm.warp(START + 20);
        same(registry.snapshotHash(uint48(START + 5)), before, "the past stays");
        check(
            registry.snapshotHash(uint48(START + 10)) != registry.snapshotHash(uint48(START + 9)),
            "a change shows"
        );
        vm.chainId(99);
        check(registry.snapshotHash(uint48(START + 5)) != before, "another chain");
    }

    function test_constructor_refusesBadTerms() public {
        StakeRegistry.Terms memory bad = terms();
        vm.expectRevert(StakeRegistry.InvalidTerms.selector);
        new StakeRegistry(address(0), bad);
        bad.seatStake = 0;
        vm.expectRevert(StakeRegistry.InvalidTerms.selector);
        new StakeRegistry(address(1), bad);
        bad = terms();
        bad.unbonding = bad.quarantine;
        vm.expectRevert(StakeRegistry.InvalidTerms.selector);
        new StakeRegistry(address(1), bad);
        bad = terms();
        bad.slashPermille = 1001;
        vm.expectRevert(StakeRegistry.InvalidTerms.selector);
        new StakeRegistry(address(1), bad);
        bad = terms();
        bad.rewardPermille = 501;
        vm.expectRevert(StakeRegistry.InvalidTerms.selector);
        new StakeRegistry(address(1), bad);
    }
}

contract Refuser {}

contract Reenterer {
    StakeRegistry private registry;
    uint32 private node;
    bool public blocked;

    function arm(StakeRegistry target, uint32 id) external {
        registry = target;
        node = id;
    }

    receive() external payable {
        if (address(registry) == address(0)) return;
        try registry.burn() {}
        catch (bytes memory reason) {
            blocked = bytes4(reason) == bytes4(keccak256("ReentrancyGuardReentrantCall()"));
        }
    }
}
