// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChallengeManager} from "../src/ChallengeManager.sol";
import {StakeRegistry} from "../src/StakeRegistry.sol";
import {Messages, Outcome, Request} from "../src/libraries/Messages.sol";
import {Fixture} from "./support/Fixture.sol";

contract ChallengeManagerTest is Fixture {
    uint256 private constant FEE = 10 * uint256(SLOT_FEE);
    uint256 private constant FULL_BOND = uint256(BOND) + 10 * uint256(SHARE);

    function setUp() public override {
        super.setUp();
        addMembers(16);
        vm.warp(START + 1 hours);
    }

    function free() private view returns (uint256) {
        return manager.accountOf(prover.hot).free;
    }

    // ------------------------------------------------------------------------------------- the whole course

    function test_course_settlesAndPaysEveryoneExactly() public {
        Request memory request = strictRequest();
        uint256 deposit = free();
        (bytes32 id, address[] memory committee) = fixedChallenge(request);
        same(free(), deposit - FULL_BOND, "bond is locked");
        same(committee.length, 10, "committee");
        Outcome memory said = outcome(0x2ff); // nine of ten owed
        settleIt(id, committee, said, 0x0ff);
        ChallengeManager.Challenge memory challenge = manager.challengeOf(id);
        check(challenge.status == ChallengeManager.Status.Settled, "settled");
        same(challenge.evidenceHash, said.evidenceHash, "evidence");
        same(challenge.guaranteedKbps, 240_000, "guaranteed");
        same(challenge.signers, 0xff, "signers");

        vm.warp(block.timestamp + DISPUTE_WINDOW + 1);
        for (uint256 i = 0; i < 10; ++i) {
            address cold = registry.ownerOf(committee[i]);
            uint256 before = cold.balance;
            if (i == 8) vm.expectRevert(ChallengeManager.NothingToPay.selector);
            manager.claim(committee[i], claimOf(id, i, committee));
            same(cold.balance - before, i == 8 ? 0 : SLOT_FEE, "member's pay");
        }
        manager.close(id);
        same(free(), deposit, "bond is back");
        same(manager.credits(REFUND), SLOT_FEE, "the fee of the one not owed");
        manager.withdraw(REFUND);
        same(REFUND.balance, SLOT_FEE, "paid");
        same(address(manager).balance, deposit, "nothing else is left");
    }

    function test_course_ofANoResultSharesTheAttemptFee() public {
        Request memory request = strictRequest();
        uint256 deposit = free();
        (bytes32 id, address[] memory committee) = fixedChallenge(request);
        settleIt(id, committee, Outcome(0, 0, 0, 0x00f), 0x3fc);
        vm.warp(block.timestamp + DISPUTE_WINDOW + 1);
        manager.close(id);
        same(manager.credits(REFUND), FEE - 4 * SHARE, "payer's half");
        same(free(), deposit - 4 * SHARE, "prover's half");
        for (uint256 i = 0; i < 4; ++i) {
            same(manager.claim(committee[i], claimOf(id, i, committee)), 2 * SHARE, "attempt fee");
        }
        vm.expectRevert(ChallengeManager.NothingToPay.selector);
        manager.claim(committee[4], claimOf(id, 4, committee));
        same(address(manager).balance, deposit - 4 * SHARE + manager.credits(REFUND), "balanced");
    }

    function test_course_ofAStallIsRefundedWhole() public {
        Request memory request = strictRequest();
        uint256 deposit = free();
        (bytes32 id,) = fixedChallenge(request);
        uint256 settleBy = manager.challengeOf(id).settleBy;
        vm.warp(settleBy);
        vm.expectPartialRevert(ChallengeManager.TooEarly.selector);
        manager.expire(id);
        vm.warp(settleBy + 1);
        vm.prank(address(0x5712a17ee)); // a stranger
        manager.expire(id);
        same(manager.credits(REFUND), FEE, "fee");
        vm.expectPartialRevert(ChallengeManager.TooEarly.selector);
        manager.close(id); // the prover may still be found at fault
        vm.warp(settleBy + DISPUTE_WINDOW + 1);
        manager.close(id);
        same(free(), deposit, "bond");
        same(manager.credits(REFUND), FEE, "once");
        vm.expectRevert(ChallengeManager.NothingToPay.selector);
        manager.close(id);
    }

    function test_course_ofABeaconThatNeverComes() public {
        uint256 deposit = free();
        (bytes32 id,) = openIt(strictRequest());
        vm.warp(uint256(manager.challengeOf(id).settleBy) + 1);
        manager.expire(id);
        same(free(), deposit, "bond at once: nobody was drawn");
        same(manager.credits(REFUND), FEE, "fee");
        vm.expectRevert(ChallengeManager.NothingToPay.selector);
        manager.close(id);
        vm.expectPartialRevert(ChallengeManager.WrongStatus.selector);
        manager.expire(id);
    }

    function test_course_ofAPoolThatIsTooSmallIsVoid() public {
        Request memory request = strictRequest();
        (request.committeeSize, request.teams) = (20, 20);
        request.deltaMillionths = 10_000;
        uint256 deposit = free();
        (bytes32 id, address[] memory committee) = fixedChallenge(request);
        same(committee.length, 16, "all there are");
        check(manager.challengeOf(id).status == ChallengeManager.Status.Void, "void");
        same(free(), deposit, "bond");
        same(manager.credits(REFUND), 20 * SLOT_FEE, "fee");
        vm.expectPartialRevert(ChallengeManager.WrongStatus.selector);
        manager.close(id);
        vm.warp(block.timestamp + 1 days);
        vm.expectPartialRevert(ChallengeManager.WrongStatus.selector);
        manager.expire(id);
    }

    function test_course_standardGoesOnWithFewerTeams() public {
        (bytes32 id, address[] memory committee) = fixedChallenge(standardRequest(20, 4)); // teams of 2, 16 there
        same(committee.length, 16, "eight teams of nine");
        check(manager.challengeOf(id).status == ChallengeManager.Status.Fixed, "goes on");
        bytes memory eleven = proofOf(id, committee, outcome(1), 0x7ff);
        vm.expectRevert(abi.encodeWithSelector(ChallengeManager.TooFewSigners.selector, 11, 12));
        manager.settle(id, outcome(1), eleven);
        settleIt(id, committee, outcome(1), 0xfff);
    }

    function test_course_standardNeedsTeamsForItsFaults() public {
        (bytes32 id,) = fixedChallenge(standardRequest(34, 8)); // teams of 2: 16 there make 8, 9 needed
        check(manager.challengeOf(id).status == ChallengeManager.Status.Void, "void");
    }

    function test_course_ofAQuickCheck() public {
        Request memory request = standardRequest(10, 2);
        (request.profile, request.teams) = (0, 1);
        (bytes32 id, address[] memory committee) = fixedChallenge(request);
        settleIt(id, committee, outcome(0x3ff), 0x3fc);
    }

    // ------------------------------------------------------------------------------------------------ opening

    function refuseOpen(Request memory request, bytes4 error) private {
        (uint64 at, bytes memory signature) = acceptance(request, prover.key);
        uint256 value = uint256(request.committeeSize) * SLOT_FEE;
        vm.prank(payer.hot);
        vm.expectPartialRevert(error);
        manager.open{value: value}(request, snapshot(), at, signature, REFUND);
    }

    function test_open_refusesBadNumbers() public {
        Request memory request = strictRequest();
        request.direction = 2;
        refuseOpen(request, ChallengeManager.InvalidRequest.selector);
        request = strictRequest();
        request.claimKbps = 0;
        refuseOpen(request, ChallengeManager.InvalidRequest.selector);
        request.claimKbps = 100_000_001;
        refuseOpen(request, ChallengeManager.InvalidRequest.selector);
        request = strictRequest();
        request.committeeSize = 0;
        refuseOpen(request, ChallengeManager.InvalidRequest.selector);
        request.committeeSize = 65;
        refuseOpen(request, ChallengeManager.InvalidRequest.selector);
        request = strictRequest();
        request.teams = 0;
        refuseOpen(request, ChallengeManager.InvalidRequest.selector);
        request.teams = 3; // does not divide ten
        refuseOpen(request, ChallengeManager.InvalidRequest.selector);
        request.teams = 20;
        refuseOpen(request, ChallengeManager.InvalidRequest.selector);
        request = strictRequest();
        request.faulty = 1; // strict derives it
        refuseOpen(request, ChallengeManager.InvalidRequest.selector);
    }

    function test_open_refusesCommitteesWithoutAnHonestMajority() public {
        Request memory request = strictRequest();
        request.betaMillionths = 400_000;
        refuseOpen(request, ChallengeManager.InvalidRequest.selector);
        request = standardRequest(10, 2);
        (request.profile, request.teams, request.faulty) = (0, 1, 5);
        refuseOpen(request, ChallengeManager.InvalidRequest.selector);
        request = standardRequest(10, 5); // 11 teams of 10 members
        refuseOpen(request, ChallengeManager.InvalidRequest.selector);
        request = standardRequest(10, 2);
        request.teams = 4;
        refuseOpen(request, ChallengeManager.InvalidRequest.selector);
        request = standardRequest(10, 2);
        request.betaMillionths = 1;
        refuseOpen(request, ChallengeManager.InvalidRequest.selector);
    }

    function test_open_refusesProfilesThatAreNotAllowed() public {
        Request memory request = strictRequest();
        request.profile = 3; // published
        refuseOpen(request, ChallengeManager.ProfileNotAllowed.selector);
        request.profile = 200;
        refuseOpen(request, ChallengeManager.ProfileNotAllowed.selector);
        ChallengeManager.Config memory settings = config();
        settings.profiles = 4;
        deploy(settings);
        prover.node = enroll(prover, host(200, 1), 0, 0, 0);
        vm.warp(block.timestamp + 1 hours);
        refuseOpen(standardRequest(10, 2), ChallengeManager.ProfileNotAllowed.selector);
    }

    function test_open_byThePayerAlone() public {
        Request memory request = strictRequest();
        (uint64 at, bytes memory signature) = acceptance(request, prover.key);
        vm.expectRevert(abi.encodeWithSelector(ChallengeManager.NotPayer.selector, address(this), payer.hot));
        manager.open{value: FEE}(request, snapshot(), at, signature, REFUND);
        vm.prank(payer.hot);
        vm.expectRevert(ChallengeManager.InvalidRequest.selector);
        manager.open{value: FEE}(request, snapshot(), at, signature, address(0));
    }

    function test_open_takesTheProversAcceptanceOnly() public {
        Request memory request = strictRequest();
        (uint64 at, bytes memory signature) = acceptance(request, payer.key);
        vm.startPrank(payer.hot);
        vm.expectPartialRevert(ChallengeManager.InvalidAcceptance.selector);
        manager.open{value: FEE}(request, snapshot(), at, signature, REFUND);
        (at, signature) = acceptance(request, prover.key);
        vm.expectPartialRevert(ChallengeManager.InvalidAcceptance.selector);
        manager.open{value: FEE}(request, snapshot(), at + 1, signature, REFUND);
        request.claimKbps += 1; // an acceptance is for one request
        vm.expectPartialRevert(ChallengeManager.InvalidAcceptance.selector);
        manager.open{value: FEE}(request, snapshot(), at, signature, REFUND);
    }

    function test_open_acceptanceComesBeforeTheRound() public {
        Request memory request = strictRequest();
        uint64 due = uint64(beacons.roundTime(CHAIN, request.beaconRound));
        bytes32 hash = Messages.hashAcceptance(manager.challengeIdOf(request), due);
        bytes memory signature = sign(prover.key, manager.digestOf(hash));
        vm.startPrank(payer.hot);
        vm.expectRevert(abi.encodeWithSelector(ChallengeManager.AcceptedTooLate.selector, due, due));
        manager.open{value: FEE}(request, snapshot(), due, signature, REFUND);
        hash = Messages.hashAcceptance(manager.challengeIdOf(request), due - 1);
        signature = sign(prover.key, manager.digestOf(hash));
        manager.open{value: FEE}(request, snapshot(), due - 1, signature, REFUND);
    }

    function test_open_onceAndNeverAgain() public {
        Request memory request = strictRequest();
        (bytes32 id,) = openIt(request);
        refuseOpen(request, ChallengeManager.AlreadyOpen.selector);
        vm.warp(uint256(manager.challengeOf(id).settleBy) + 1);
        manager.expire(id);
        refuseOpen(request, ChallengeManager.AlreadyOpen.selector);
    }

    function test_open_needsTheFee() public {
        Request memory request = strictRequest();
        (uint64 at, bytes memory signature) = acceptance(request, prover.key);
        vm.startPrank(payer.hot);
        vm.expectRevert(
            abi.encodeWithSelector(ChallengeManager.InsufficientFee.selector, SLOT_FEE - 1, SLOT_FEE)
        );
        manager.open{value: FEE - 10}(request, snapshot(), at, signature, REFUND);
        vm.expectRevert(abi.encodeWithSelector(ChallengeManager.FeeNotDivisible.selector, FEE + 1, 10));
        manager.open{value: FEE + 1}(request, snapshot(), at, signature, REFUND);
        bytes32 id = manager.open{value: 3 * FEE}(request, snapshot(), at, signature, REFUND);
        same(manager.challengeOf(id).slotFee, 3 * SLOT_FEE, "more is allowed");
    }

    function test_open_needsTheBond() public {
        uint256 deposit = free();
        vm.prank(prover.cold);
        manager.withdrawDeposit(prover.hot, uint128(deposit - FULL_BOND + 1));
        Request memory request = strictRequest();
        (uint64 at, bytes memory signature) = acceptance(request, prover.key);
        vm.prank(payer.hot);
        vm.expectRevert(
            abi.encodeWithSelector(ChallengeManager.InsufficientBond.selector, FULL_BOND - 1, FULL_BOND)
        );
        manager.open{value: FEE}(request, snapshot(), at, signature, REFUND);
    }

    function test_open_namesAFutureRoundBeyondTheDrift() public {
        Request memory request = strictRequest();
        request.beaconRound = uint64((block.timestamp + 29 - beacons.GENESIS()) / 3 + 1);
        refuseOpen(request, ChallengeManager.RoundOutOfRange.selector);
        request.beaconRound = uint64((block.timestamp + 10 minutes - beacons.GENESIS()) / 3 + 2);
        refuseOpen(request, ChallengeManager.RoundOutOfRange.selector);
    }

    /// A sequencer that sets the clock back cannot make a round future again that is on the chain already.
    function test_open_refusesARoundThatIsKnown() public {
        Request memory request = strictRequest();
        beacons.set(CHAIN, request.beaconRound, bytes32(uint256(1)));
        refuseOpen(request, ChallengeManager.RoundAlreadyKnown.selector);
    }

    function test_open_oneDrawPerProverAndRound() public {
        Request memory request = strictRequest();
        openIt(request);
        Request memory again = strictRequest();
        refuseOpen(again, ChallengeManager.DrawNotAfterLast.selector);
        again.beaconRound += 1;
        openIt(again);
        same(manager.accountOf(prover.hot).opened, 2, "attempts are counted");
    }

    function test_open_checksTheSnapshot() public {
        Request memory request = strictRequest();
        (uint64 at, bytes memory signature) = acceptance(request, prover.key);
        vm.startPrank(payer.hot);
        vm.expectPartialRevert(ChallengeManager.SnapshotOutOfRange.selector);
        manager.open{value: FEE}(request, snapshot() + 1, at, signature, REFUND);
        vm.expectPartialRevert(ChallengeManager.SnapshotOutOfRange.selector);
        manager.open{value: FEE}(request, uint48(block.timestamp - 1 hours - 1), at, signature, REFUND);
        vm.expectPartialRevert(ChallengeManager.WrongRegistryHash.selector);
        manager.open{value: FEE}(request, snapshot() - 1, at, signature, REFUND);
        vm.stopPrank();
        request.registryHash = keccak256("another registry");
        refuseOpen(request, ChallengeManager.WrongRegistryHash.selector);
    }

    function test_open_checksTheExpiry() public {
        Request memory request = strictRequest();
        request.expiresAt = uint64(beacons.roundTime(CHAIN, request.beaconRound));
        refuseOpen(request, ChallengeManager.InvalidExpiry.selector);
        request.expiresAt += 30 minutes + 1;
        refuseOpen(request, ChallengeManager.InvalidExpiry.selector);
        request.expiresAt = type(uint64).max;
        refuseOpen(request, ChallengeManager.InvalidExpiry.selector);
    }

    function test_open_refusesAProverThatWasNotThereAtTheSnapshot() public {
        Actor memory late = actor(0xCAFE);
        late.node = enroll(late, host(300, 1), 0, 0, 0);
        manager.deposit{value: 1 ether}(late.hot);
        Request memory request = strictRequest();
        request.prover = late.hot;
        (uint64 at, bytes memory signature) = acceptance(request, late.key);
        vm.prank(payer.hot);
        vm.expectPartialRevert(StakeRegistry.NotActiveSince.selector);
        manager.open{value: FEE}(request, snapshot(), at, signature, REFUND);
    }

    // --------------------------------------------------------------------------------------- the committee

    function test_fix_isWhatTheRegistryDraws_andSkipsTheParties() public {
        // Payer and coordinator are members themselves.
        Request memory request = strictRequest();
        (request.payer, request.coordinator) = (members[0].hot, members[1].hot);
        vm.deal(members[0].hot, 1 ether);
        (, address[] memory committee) = fixedChallenge(request);
        for (uint256 i = 0; i < committee.length; ++i) {
            check(committee[i] != members[0].hot && committee[i] != members[1].hot, "a party");
        }
    }

    function test_fix_needsTheRoundTheTermsAndTheTime() public {
        Request memory request = strictRequest();
        (bytes32 id, ChallengeManager.DrawTerms memory made) = openIt(request);
        vm.expectPartialRevert(ChallengeManager.RoundUnknown.selector);
        manager.fixCommittee(request, made);
        reveal(request, keccak256("r"));
        made.payerOwner = members[3].cold;
        vm.expectRevert(ChallengeManager.WrongTerms.selector);
        manager.fixCommittee(request, made);
        made.payerOwner = address(0);
        request.claimKbps += 1;
        vm.expectPartialRevert(ChallengeManager.WrongStatus.selector); // another challenge
        manager.fixCommittee(request, made);
        request.claimKbps -= 1;
        vm.warp(uint256(manager.challengeOf(id).settleBy) + 1);
        vm.expectPartialRevert(ChallengeManager.TooLate.selector);
        manager.fixCommittee(request, made);
        vm.warp(manager.challengeOf(id).settleBy);
        manager.fixCommittee(request, made);
        vm.expectPartialRevert(ChallengeManager.WrongStatus.selector);
        manager.fixCommittee(request, made);
    }

    /// What the parties do between opening and draw changes nothing.
    function test_fix_isUnmovedByWhatPartiesDoAfterOpening() public {
        Request memory request = strictRequest();
        (, ChallengeManager.DrawTerms memory made) = openIt(request);
        beacons.set(CHAIN, request.beaconRound, keccak256("r"));
        vm.warp(block.timestamp + 90);
        uint256 before = vm.snapshotState();
        address[] memory committee = manager.fixCommittee(request, made);
        vm.revertToState(before);
        vm.prank(prover.cold);
        registry.update(prover.node, endpoint(host(1003, 9), 0), 0); // a prefix of a member
        enroll(payer, host(777, 1), 1_000_000, 8, 0); // the payer becomes a member
        for (uint256 i = 0; i < 10; ++i) {
            vm.prank(members[i].cold);
            registry.deregister(members[i].node);
        }
        address[] memory later = manager.fixCommittee(request, made);
        same(keccak256(abi.encode(later)), keccak256(abi.encode(committee)), "committee");
    }

    // ----------------------------------------------------------------------------------------- settlement

    function test_settle_needsTheQuorum() public {
        (bytes32 id, address[] memory committee) = fixedChallenge(strictRequest());
        bytes memory proof = proofOf(id, committee, outcome(0), 0x07f);
        vm.expectRevert(abi.encodeWithSelector(ChallengeManager.TooFewSigners.selector, 7, 8));
        manager.settle(id, outcome(0), proof);
        settleIt(id, committee, outcome(0), 0x0ff);
        proof = proofOf(id, committee, outcome(1), 0x0ff);
        vm.expectPartialRevert(ChallengeManager.WrongStatus.selector);
        manager.settle(id, outcome(1), proof); // no second result
    }

    function test_settle_untilItsLastSecond() public {
        (bytes32 id, address[] memory committee) = fixedChallenge(strictRequest());
        bytes memory proof = proofOf(id, committee, outcome(0), 0x0ff);
        uint256 settleBy = manager.challengeOf(id).settleBy;
        vm.warp(settleBy + 1);
        vm.expectRevert(abi.encodeWithSelector(ChallengeManager.TooLate.selector, settleBy));
        manager.settle(id, outcome(0), proof);
        vm.warp(settleBy);
        manager.settle(id, outcome(0), proof);
        vm.warp(settleBy + 1);
        vm.expectPartialRevert(ChallengeManager.WrongStatus.selector);
        manager.expire(id);
    }

    function test_settle_refusesImplausibleOutcomes() public {
        (bytes32 id,) = fixedChallenge(strictRequest());
        vm.expectRevert(ChallengeManager.ImplausibleResult.selector);
        manager.settle(id, Outcome("e", 300_001, 0, 0), "");
        vm.expectRevert(ChallengeManager.ImplausibleResult.selector);
        manager.settle(id, Outcome("e", 0, 300_001, 0), "");
        vm.expectRevert(ChallengeManager.ImplausibleResult.selector);
        manager.settle(id, Outcome(0, 1, 0, 0), "");
        vm.expectRevert(ChallengeManager.ImplausibleResult.selector);
        manager.settle(id, Outcome(0, 0, 1, 0), "");
        vm.expectRevert(abi.encodeWithSelector(ChallengeManager.OwedOutOfRange.selector, 1 << 10, 10));
        manager.settle(id, outcome(1 << 10), "");
        vm.expectPartialRevert(ChallengeManager.OwedOutOfRange.selector);
        manager.settle(id, outcome(type(uint256).max), "");
    }

    function test_settle_beforeTheCommitteeIsFixed() public {
        (bytes32 id,) = openIt(strictRequest());
        vm.expectPartialRevert(ChallengeManager.WrongStatus.selector);
        manager.settle(id, outcome(0), "");
        vm.expectPartialRevert(ChallengeManager.WrongStatus.selector);
        manager.settle(keccak256("unknown"), outcome(0), "");
    }

    // --------------------------------------------------------------------------------------------- claims

    function test_claim_afterTheDisputeWindowOnly() public {
        (bytes32 id, address[] memory committee) = fixedChallenge(strictRequest());
        settleIt(id, committee, outcome(0x3ff), 0x0ff);
        vm.warp(block.timestamp + DISPUTE_WINDOW);
        vm.expectRevert(ChallengeManager.NothingToPay.selector);
        manager.claim(committee[0], claimOf(id, 0, committee));
        vm.expectPartialRevert(ChallengeManager.TooEarly.selector);
        manager.close(id);
    }

    /// A dead item in a batch is passed over, and never blocks the live ones.
    function test_claim_ofABatchPassesDeadItemsOver() public {
        (bytes32 id, address[] memory committee) = fixedChallenge(strictRequest());
        settleIt(id, committee, outcome(0x3ff), 0x0ff);
        vm.warp(block.timestamp + 2 hours);
        (bytes32 second, address[] memory others) = fixedChallenge(strictRequest());
        vm.warp(block.timestamp + DISPUTE_WINDOW);
        ChallengeManager.Claim[] memory items = new ChallengeManager.Claim[](7);
        items[0] = ChallengeManager.Claim(keccak256("unknown"), 0, committee);
        items[1] = ChallengeManager.Claim(second, 0, others); // not settled
        items[2] = ChallengeManager.Claim(id, 11, committee); // out of range
        items[3] = ChallengeManager.Claim(id, 1, committee); // another member's
        items[4] = ChallengeManager.Claim(id, 0, others); // another committee
        items[5] = ChallengeManager.Claim(id, 0, committee);
        items[6] = ChallengeManager.Claim(id, 0, committee); // twice
        address cold = registry.ownerOf(committee[0]);
        uint256 before = cold.balance;
        same(manager.claim(committee[0], items), SLOT_FEE, "one payment");
        same(cold.balance - before, SLOT_FEE, "to the cold wallet");
        vm.expectRevert(ChallengeManager.NothingToPay.selector);
        manager.claim(committee[0], items);
    }

    function test_claim_ofALongCommitteeCannotForgeOne() public {
        (bytes32 id, address[] memory committee) = fixedChallenge(strictRequest());
        settleIt(id, committee, outcome(0x3ff), 0x0ff);
        vm.warp(block.timestamp + DISPUTE_WINDOW + 1);
        address[] memory forged = new address[](11);
        for (uint256 i = 0; i < 10; ++i) {
            forged[i] = committee[i];
        }
        forged[10] = prover.hot;
        vm.expectRevert(ChallengeManager.NothingToPay.selector);
        manager.claim(prover.hot, claimOf(id, 10, forged));
        committee[0] = prover.hot;
        vm.expectRevert(ChallengeManager.NothingToPay.selector);
        manager.claim(prover.hot, claimOf(id, 0, committee));
    }

    /// The member left, withdrew its stake and is gone: its pay still goes to the wallet it always had.
    function test_claim_outlivesTheMembership() public {
        (bytes32 id, address[] memory committee) = fixedChallenge(strictRequest());
        settleIt(id, committee, outcome(0x3ff), 0x0ff);
        address cold = registry.ownerOf(committee[4]);
        uint32 node = registry.nodeOf(committee[4]);
        vm.prank(cold);
        registry.deregister(node);
        vm.warp(block.timestamp + 400 days);
        registry.withdraw(node);
        uint256 before = cold.balance;
        manager.claim(committee[4], claimOf(id, 4, committee));
        same(cold.balance - before, SLOT_FEE, "paid");
    }

    // ------------------------------------------------------------------------------------------- deposits

    function test_deposit_returnsToTheColdWalletAlone() public {
        vm.expectPartialRevert(ChallengeManager.NotRegistered.selector);
        manager.deposit{value: 1}(address(0x1234));
        vm.prank(prover.hot);
        vm.expectPartialRevert(ChallengeManager.NotProverOwner.selector);
        manager.withdrawDeposit(prover.hot, 1);
        uint256 before = prover.cold.balance;
        vm.startPrank(prover.cold);
        vm.expectPartialRevert(ChallengeManager.InsufficientBond.selector);
        manager.withdrawDeposit(prover.hot, 10 ether + 1);
        manager.withdrawDeposit(prover.hot, 10 ether);
        same(prover.cold.balance - before, 10 ether, "all of it");
    }

    function test_withdraw_nothing() public {
        vm.expectRevert(ChallengeManager.NothingToPay.selector);
        manager.withdraw(REFUND);
        vm.expectRevert(ChallengeManager.NothingToPay.selector);
        manager.burn();
    }

    // ------------------------------------------------------------------------------------------ deployment

    function test_constructor_refusesBadSettings() public {
        ChallengeManager.Config[14] memory bad;
        for (uint256 i = 0; i < bad.length; ++i) {
            bad[i] = config();
        }
        bad[0].disputeWindow = 0;
        bad[1].settleWindow = 0;
        bad[2].maxLife = 0;
        bad[3].activationDelay = 29;
        (bad[4].activationDelay, bad[4].driftMargin) = (0, 0);
        bad[5].maxSnapshotAge = bad[5].activationDelay;
        bad[6].maxLead = bad[6].driftMargin;
        bad[7].maxLife = 3 hours; // draws would look back past the quarantine
        bad[8].disputeWindow = 14 days; // stake would leave before a verdict
        bad[9].minSlotFee = 0;
        bad[10].attemptShare = SLOT_FEE + 1;
        bad[11].proverBond = 0;
        bad[12].profiles = 0;
        bad[13].profiles = 8;
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(ChallengeManager.InvalidConfig.selector);
            new ChallengeManager(registry, beacons, verifier, address(1), bad[i]);
        }
        vm.expectRevert(ChallengeManager.InvalidConfig.selector);
        new ChallengeManager(registry, beacons, verifier, address(0), config());
    }
}
