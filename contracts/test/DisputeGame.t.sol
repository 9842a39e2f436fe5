// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ChallengeManager} from "../src/ChallengeManager.sol";
import {DisputeGame} from "../src/DisputeGame.sol";
import {StakeRegistry} from "../src/StakeRegistry.sol";
import {
    CommitmentBody,
    Messages,
    Outcome,
    Request,
    SlotRun,
    TestimonyBody
} from "../src/libraries/Messages.sol";
import {Fixture} from "./support/Fixture.sol";

contract DisputeGameTest is Fixture {
    address private constant REPORTER = address(0x9e90);
    uint256 private constant SLASH_REWARD = uint256(SEAT) / 2 / 5;

    Request private request;
    bytes32 private id;
    address[] private committee;
    address private bad;
    uint256 private badKey;

    function setUp() public override {
        super.setUp();
        addMembers(12);
        vm.warp(START + 1 hours);
        request = strictRequest();
        (id, committee) = fixedChallenge(request);
        bad = committee[3];
        badKey = keyOf[bad];
    }

    // ------------------------------------------------------------------------------------- the four faults

    function test_fault_twoAckLists() public {
        DisputeGame.Case memory report = caseOf(id, prover.hot, new address[](0));
        announce(REPORTER, report);
        bytes memory a = ackSignature(prover.key, id, "one");
        bytes memory b = ackSignature(prover.key, id, "two");
        uint256 deposit = manager.accountOf(prover.hot).free;
        vm.expectEmit();
        emit DisputeGame.FaultProven(id, prover.hot, REPORTER, DisputeGame.Fault.TwoAckLists, BOND / 4);
        vm.prank(REPORTER);
        disputes.proveAckLists(report, 1, 0, "one", a, "two", b);
        same(disputes.credits(REPORTER), REPORT_BOND + BOND / 4, "bond and reward");
        same(manager.burnable(), BOND - BOND / 4, "the rest burns");
        settleIt(id, committee, outcome(0x3ff), 0x0ff);
        vm.warp(block.timestamp + DISPUTE_WINDOW + 1);
        manager.close(id);
        same(manager.accountOf(prover.hot).free, deposit + 10 * SHARE, "only the other part comes back");
        manager.burn();
        same(manager.burnable(), 0, "burned");
        uint256 before = REPORTER.balance;
        disputes.withdraw(REPORTER);
        same(REPORTER.balance - before, REPORT_BOND + BOND / 4, "paid");
    }

    function test_fault_twoResults() public {
        settleIt(id, committee, outcome(0x3ff), 0x0ff);
        proveResults(outcome(0x3ff), outcome(0x3fe));
        checkPunished();
    }

    function test_fault_aResultAndANoResult() public {
        proveResults(outcome(0x3ff), Outcome(0, 0, 0, 0x3ff));
        settleIt(id, committee, outcome(0x3ff), 0x3f7);
        checkPunished();
    }

    function test_fault_twoTestimonies() public {
        settleIt(id, committee, outcome(0x3ff), 0x0ff);
        DisputeGame.Case memory report = opened(REPORTER);
        (TestimonyBody memory a, TestimonyBody memory b) = (testimony("seed", 10), testimony("seed", 11));
        bytes memory first = testimonySignature(badKey, id, a);
        bytes memory second = testimonySignature(badKey, id, b);
        vm.prank(REPORTER);
        disputes.proveTestimonies(report, 1, 0, a, first, b, second);
        checkPunished();
    }

    function test_fault_seedOffItsCommitment() public {
        settleIt(id, committee, outcome(0x3ff), 0x0ff);
        DisputeGame.Case memory report = opened(REPORTER);
        CommitmentBody memory pledge = CommitmentBody(seedHashOf("seed", bad), 1, 1);
        TestimonyBody memory said = testimony("another seed", 10);
        bytes memory first = commitmentSignature(badKey, pledge);
        bytes memory second = testimonySignature(badKey, id, said);
        vm.prank(REPORTER);
        disputes.proveSeed(report, 1, 0, pledge, first, said, second);
        checkPunished();
    }

    /// A commitment copied from another member: the seed that fits it fits under the other's address only.
    function test_fault_aCopiedCommitment() public {
        settleIt(id, committee, outcome(0x3ff), 0x0ff);
        DisputeGame.Case memory report = opened(REPORTER);
        CommitmentBody memory copied = CommitmentBody(seedHashOf("seed", committee[4]), 1, 1);
        TestimonyBody memory said = testimony("seed", 10);
        bytes memory first = commitmentSignature(badKey, copied);
        bytes memory second = testimonySignature(badKey, id, said);
        vm.prank(REPORTER);
        disputes.proveSeed(report, 1, 0, copied, first, said, second);
        checkPunished();
    }

    function seedHashOf(bytes32 seed, address member) private view returns (bytes32) {
        return Messages.seedHash(seed, SlotRun(id, 1, 0), member);
    }

    function commitmentSignature(uint256 key, CommitmentBody memory body)
        private
        view
        returns (bytes memory)
    {
        return sign(
            key,
            manager.digestOf(keccak256(abi.encode(Messages.COMMITMENT_TYPEHASH, SlotRun(id, 1, 0), body)))
        );
    }

    function opened(address reporter) private returns (DisputeGame.Case memory report) {
        report = caseOf(id, bad, committee);
        announce(reporter, report);
    }

    function proveResults(Outcome memory a, Outcome memory b) private {
        DisputeGame.Case memory report = opened(REPORTER);
        bytes memory first = sign(badKey, resultDigest(id, a));
        bytes memory second = sign(badKey, resultDigest(id, b));
        vm.prank(REPORTER);
        disputes.proveResults(report, a, first, b, second);
    }

    /// Half its stake, its seat, and its fee for the challenge, which goes back to the payer.
    function checkPunished() private {
        same(registry.stakeOf(registry.nodeOf(bad)), SEAT / 2, "stake");
        same(registry.seatsOf(registry.ownerOf(bad)), 0, "seats");
        same(disputes.credits(REPORTER), REPORT_BOND + SLASH_REWARD, "reward");
        vm.warp(block.timestamp + DISPUTE_WINDOW + 1);
        vm.expectRevert(ChallengeManager.NothingToPay.selector);
        manager.claim(bad, claimOf(id, 3, committee));
        manager.claim(committee[2], claimOf(id, 2, committee));
        manager.close(id);
        same(manager.credits(REFUND), SLOT_FEE, "its fee is the payer's");
    }

    // ---------------------------------------------------------------------------- what proves nothing

    function test_refused_oneStatementTwice() public {
        DisputeGame.Case memory report = opened(REPORTER);
        bytes memory one = sign(badKey, resultDigest(id, outcome(1)));
        vm.prank(REPORTER);
        vm.expectRevert(DisputeGame.SameStatement.selector);
        disputes.proveResults(report, outcome(1), one, outcome(1), one);
    }

    /// (r, s, v) and (r, n - s, v') verify alike: still one statement, and the second form is refused anyway.
    function test_refused_theOtherFormOfOneSignature() public {
        DisputeGame.Case memory report = opened(REPORTER);
        bytes memory one = sign(badKey, resultDigest(id, outcome(1)));
        bytes memory two = sign(badKey, resultDigest(id, outcome(2)));
        assembly {
            let s := mload(add(two, 64))
            mstore(add(two, 64), sub(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141, s))
        }
        two[64] = two[64] == 0x1b ? bytes1(0x1c) : bytes1(0x1b);
        vm.prank(REPORTER);
        vm.expectPartialRevert(ECDSA.ECDSAInvalidSignatureS.selector);
        disputes.proveResults(report, outcome(1), one, outcome(2), two);
    }

    function test_refused_whatSomebodyElseSigned() public {
        DisputeGame.Case memory report = opened(REPORTER);
        bytes memory one = sign(badKey, resultDigest(id, outcome(1)));
        bytes memory two = sign(keyOf[committee[4]], resultDigest(id, outcome(2)));
        vm.prank(REPORTER);
        vm.expectPartialRevert(DisputeGame.NotSignedBy.selector);
        disputes.proveResults(report, outcome(1), one, outcome(2), two);
    }

    /// An honest member's statements about two challenges, slots or attempts are no contradiction.
    function test_refused_statementsAboutDifferentThings() public {
        bytes32 other = keccak256("another challenge");
        DisputeGame.Case memory report = opened(REPORTER);
        bytes memory one = sign(badKey, resultDigest(id, outcome(1)));
        bytes memory two = sign(badKey, resultDigest(other, outcome(2)));
        vm.prank(REPORTER);
        vm.expectPartialRevert(DisputeGame.NotSignedBy.selector);
        disputes.proveResults(report, outcome(1), one, outcome(2), two);
        (TestimonyBody memory a, TestimonyBody memory b) = (testimony("s", 1), testimony("s", 2));
        bytes memory first = testimonySignature(badKey, id, a);
        bytes32 hash = keccak256(abi.encode(Messages.TESTIMONY_TYPEHASH, SlotRun(id, 1, 1), b));
        bytes memory second = sign(badKey, manager.digestOf(hash));
        for (uint8 attempt = 0; attempt < 2; ++attempt) {
            vm.prank(REPORTER);
            vm.expectPartialRevert(DisputeGame.NotSignedBy.selector);
            disputes.proveTestimonies(report, 1, attempt, a, first, b, second);
        }
    }

    function test_refused_aSeedThatFits() public {
        DisputeGame.Case memory report = opened(REPORTER);
        CommitmentBody memory pledge = CommitmentBody(seedHashOf("seed", bad), 1, 1);
        TestimonyBody memory said = testimony("seed", 10);
        bytes memory first = commitmentSignature(badKey, pledge);
        bytes memory second = testimonySignature(badKey, id, said);
        vm.prank(REPORTER);
        vm.expectRevert(DisputeGame.SeedMatches.selector);
        disputes.proveSeed(report, 1, 0, pledge, first, said, second);
    }

    /// Another run's commitment says nothing about this one's seed.
    function test_refused_theCommitmentOfAnotherAttempt() public {
        DisputeGame.Case memory report = opened(REPORTER);
        CommitmentBody memory pledge =
            CommitmentBody(Messages.seedHash("old seed", SlotRun(id, 1, 1), bad), 1, 1);
        bytes32 hash = keccak256(abi.encode(Messages.COMMITMENT_TYPEHASH, SlotRun(id, 1, 1), pledge));
        bytes memory first = sign(badKey, manager.digestOf(hash));
        TestimonyBody memory said = testimony("seed", 10);
        bytes memory second = testimonySignature(badKey, id, said);
        vm.prank(REPORTER);
        vm.expectPartialRevert(DisputeGame.NotSignedBy.selector);
        disputes.proveSeed(report, 1, 0, pledge, first, said, second);
    }

    function test_refused_statementsForAnotherContractOrChain() public {
        DisputeGame.Case memory report = opened(REPORTER);
        bytes32 hash = keccak256(abi.encode(Messages.RESULT_TYPEHASH, id, outcome(2)));
        bytes memory one = sign(badKey, resultDigest(id, outcome(1)));
        bytes32[2] memory foreign = [domain(address(0xabc), block.chainid), domain(address(manager), 5)];
        for (uint256 i = 0; i < 2; ++i) {
            bytes memory two = sign(badKey, keccak256(abi.encodePacked(hex"1901", foreign[i], hash)));
            vm.prank(REPORTER);
            vm.expectPartialRevert(DisputeGame.NotSignedBy.selector);
            disputes.proveResults(report, outcome(1), one, outcome(2), two);
        }
        // A LocalResult has another type.
        hash = keccak256(
            abi.encode(
                keccak256(
                    "LocalResult(bytes32 challengeId,bytes32 evidenceHash,uint64 guaranteedKbps,uint64 estimateKbps,uint256 owed)"
                ),
                id,
                outcome(2)
            )
        );
        bytes memory local = sign(badKey, manager.digestOf(hash));
        vm.prank(REPORTER);
        vm.expectPartialRevert(DisputeGame.NotSignedBy.selector);
        disputes.proveResults(report, outcome(1), one, outcome(2), local);
    }

    function test_refused_someoneOutsideTheCommittee() public {
        uint256 outside = 0;
        for (uint256 i = 0; i < members.length; ++i) {
            bool inside = false;
            for (uint256 j = 0; j < committee.length; ++j) {
                if (committee[j] == members[i].hot) inside = true;
            }
            if (!inside) outside = i;
        }
        (bad, badKey) = (members[outside].hot, members[outside].key);
        DisputeGame.Case memory report = opened(REPORTER);
        bytes memory one = sign(badKey, resultDigest(id, outcome(1)));
        bytes memory two = sign(badKey, resultDigest(id, outcome(2)));
        vm.prank(REPORTER);
        vm.expectRevert(abi.encodeWithSelector(ChallengeManager.NotMember.selector, bad));
        disputes.proveResults(report, outcome(1), one, outcome(2), two);
        report.committee = new address[](1);
        report.committee[0] = bad;
        vm.prank(REPORTER);
        vm.expectRevert(ChallengeManager.WrongTerms.selector);
        disputes.proveResults(report, outcome(1), one, outcome(2), two);
    }

    function test_refused_anotherProver() public {
        DisputeGame.Case memory report = opened(REPORTER);
        bytes memory a = ackSignature(badKey, id, "one");
        bytes memory b = ackSignature(badKey, id, "two");
        vm.prank(REPORTER);
        vm.expectPartialRevert(ChallengeManager.NotProver.selector);
        disputes.proveAckLists(report, 1, 0, "one", a, "two", b);
    }

    function test_refused_theSameFaultTwice() public {
        proveResults(outcome(1), outcome(2));
        DisputeGame.Case memory report = opened(address(0x22));
        bytes memory one = sign(badKey, resultDigest(id, outcome(3)));
        bytes memory two = sign(badKey, resultDigest(id, outcome(4)));
        vm.prank(address(0x22));
        vm.expectRevert(ChallengeManager.AlreadyFaulty.selector);
        disputes.proveResults(report, outcome(3), one, outcome(4), two);
        report = caseOf(id, prover.hot, new address[](0));
        announce(REPORTER, report);
        announce(address(0x22), report);
        bytes memory a = ackSignature(prover.key, id, "one");
        bytes memory b = ackSignature(prover.key, id, "two");
        vm.prank(REPORTER);
        disputes.proveAckLists(report, 1, 0, "one", a, "two", b);
        vm.prank(address(0x22));
        vm.expectRevert(ChallengeManager.AlreadyFaulty.selector);
        disputes.proveAckLists(report, 1, 0, "one", a, "two", b);
    }

    // -------------------------------------------------------------------------------------------- the window

    function test_window_endsWhenTheMoneyLeaves() public {
        settleIt(id, committee, outcome(0x3ff), 0x0ff);
        uint256 last = manager.challengeOf(id).finalAt;
        DisputeGame.Case memory report = opened(REPORTER);
        bytes memory one = sign(badKey, resultDigest(id, outcome(1)));
        bytes memory two = sign(badKey, resultDigest(id, outcome(2)));
        vm.warp(last + 1);
        vm.prank(REPORTER);
        vm.expectRevert(ChallengeManager.NotDisputable.selector);
        disputes.proveResults(report, outcome(1), one, outcome(2), two);
        vm.warp(last);
        vm.expectRevert(ChallengeManager.NothingToPay.selector);
        manager.claim(bad, claimOf(id, 3, committee));
        vm.prank(REPORTER);
        disputes.proveResults(report, outcome(1), one, outcome(2), two);
    }

    /// Neither letting a challenge run out nor refusing to expire it saves an equivocator.
    function test_window_ofAnUnsettledChallenge() public {
        uint256 settleBy = manager.challengeOf(id).settleBy;
        DisputeGame.Case memory report = caseOf(id, prover.hot, new address[](0));
        announce(REPORTER, report);
        bytes memory a = ackSignature(prover.key, id, "one");
        bytes memory b = ackSignature(prover.key, id, "two");
        vm.warp(settleBy + DISPUTE_WINDOW + 1);
        vm.prank(REPORTER);
        vm.expectRevert(ChallengeManager.NotDisputable.selector);
        disputes.proveAckLists(report, 1, 0, "one", a, "two", b);
        vm.warp(settleBy + DISPUTE_WINDOW);
        manager.expire(id);
        vm.prank(REPORTER);
        disputes.proveAckLists(report, 1, 0, "one", a, "two", b);
        vm.warp(settleBy + DISPUTE_WINDOW + 1);
        uint256 deposit = manager.accountOf(prover.hot).free;
        manager.close(id);
        same(manager.accountOf(prover.hot).free - deposit, 10 * SHARE, "without the bond");
    }

    function test_window_beforeTheCommitteeIsFixed() public {
        vm.warp(block.timestamp + 10 minutes);
        (bytes32 early,) = openIt(strictRequest());
        DisputeGame.Case memory report = caseOf(early, prover.hot, new address[](0));
        announce(REPORTER, report);
        bytes memory a = ackSignature(prover.key, early, "one");
        bytes memory b = ackSignature(prover.key, early, "two");
        vm.prank(REPORTER);
        vm.expectRevert(ChallengeManager.NotDisputable.selector);
        disputes.proveAckLists(report, 1, 0, "one", a, "two", b);
    }

    /// A member that leaves in the second after the snapshot it is drawn from still answers with its stake in the
    /// last second of the window.
    function test_window_endsBeforeTheStakeLeaves() public {
        vm.warp(block.timestamp + 1 hours);
        Request memory next = strictRequest();
        uint48 oldest = uint48(block.timestamp - 1 hours);
        next.registryHash = registry.snapshotHash(oldest);
        for (uint256 i = 0; i < members.length; ++i) {
            vm.prank(members[i].cold);
            registry.deregister(members[i].node);
        }
        bytes32 late = openAt(next, oldest);
        vm.warp(manager.challengeOf(late).settleBy);
        ChallengeManager.DrawTerms memory made;
        made.snapshot = oldest;
        (made.proverOwner, made.proverPrefix) = registry.activeSince(prover.hot, oldest);
        beacons.set(CHAIN, next.beaconRound, "r");
        address[] memory drawn = manager.fixCommittee(next, made);
        same(drawn.length, 10, "all of them left");
        settleIt(late, drawn, outcome(0), 0x0ff);
        vm.warp(manager.challengeOf(late).finalAt);
        uint32 node = registry.nodeOf(drawn[0]);
        vm.expectPartialRevert(StakeRegistry.StillBonded.selector);
        registry.withdraw(node);
    }

    function openAt(Request memory next, uint48 at) private returns (bytes32) {
        (uint64 accepted, bytes memory signature) = acceptance(next, prover.key);
        vm.prank(payer.hot);
        return manager.open{value: 10 * SLOT_FEE}(next, at, accepted, signature, REFUND);
    }

    // ---------------------------------------------------------------------------- bonds, copying, griefing

    function test_announce_takesTheExactBond() public {
        vm.expectRevert(abi.encodeWithSelector(DisputeGame.WrongBond.selector, 1, REPORT_BOND));
        disputes.announce{value: 1}("x");
        disputes.announce{value: REPORT_BOND}("x");
        vm.expectRevert(abi.encodeWithSelector(DisputeGame.AlreadyAnnounced.selector, bytes32("x")));
        disputes.announce{value: REPORT_BOND}("x");
    }

    /// Copying a pending report: whoever has not announced it in an earlier block cannot use it.
    function test_announce_stopsCopiers() public {
        DisputeGame.Case memory report = opened(REPORTER);
        bytes memory one = sign(badKey, resultDigest(id, outcome(1)));
        bytes memory two = sign(badKey, resultDigest(id, outcome(2)));
        address copier = address(0xc091e5);
        vm.prank(copier);
        vm.expectPartialRevert(DisputeGame.NotAnnounced.selector);
        disputes.proveResults(report, outcome(1), one, outcome(2), two);
        vm.deal(copier, REPORT_BOND);
        bytes32 own = disputes.commitmentOf(copier, id, bad, report.salt);
        vm.prank(copier);
        disputes.announce{value: REPORT_BOND}(own);
        vm.prank(copier);
        vm.expectRevert(DisputeGame.AnnouncedThisBlock.selector);
        disputes.proveResults(report, outcome(1), one, outcome(2), two);
        vm.prank(REPORTER);
        disputes.proveResults(report, outcome(1), one, outcome(2), two);
        same(disputes.credits(REPORTER), REPORT_BOND + SLASH_REWARD, "the first has it");
    }

    /// Announcing somebody else's commitment before it does pays its bond, no more.
    function test_announce_ofAnothersCommitmentIsAGift() public {
        DisputeGame.Case memory report = caseOf(id, bad, committee);
        disputes.announce{value: REPORT_BOND}(disputes.commitmentOf(REPORTER, id, bad, report.salt));
        vm.roll(block.number + 1);
        bytes memory one = sign(badKey, resultDigest(id, outcome(1)));
        bytes memory two = sign(badKey, resultDigest(id, outcome(2)));
        vm.prank(REPORTER);
        disputes.proveResults(report, outcome(1), one, outcome(2), two);
        same(disputes.credits(REPORTER), REPORT_BOND + SLASH_REWARD, "with the front-runner's bond");
    }

    function test_reclaim_whereAnotherWasFirst() public {
        DisputeGame.Case memory report = opened(address(0x22));
        vm.prank(address(0x22));
        vm.expectRevert(DisputeGame.NotProven.selector);
        disputes.reclaim(id, bad, report.salt);
        proveResults(outcome(1), outcome(2));
        vm.startPrank(address(0x22));
        disputes.reclaim(id, bad, report.salt);
        same(disputes.credits(address(0x22)), REPORT_BOND, "bond");
        vm.expectPartialRevert(DisputeGame.NotAnnounced.selector);
        disputes.reclaim(id, bad, report.salt);
        disputes.withdraw(address(0x22));
        vm.expectRevert(DisputeGame.NothingToWithdraw.selector);
        disputes.withdraw(address(0x22));
    }

    /// Punishing oneself costs more than the reward brings.
    function test_selfReportLoses() public {
        proveResults(outcome(1), outcome(2));
        uint256 lost = uint256(SEAT) - registry.stakeOf(registry.nodeOf(bad));
        check(disputes.credits(REPORTER) - REPORT_BOND < lost / 2, "less than half");
    }

    function test_reporterThatRefusesPayment() public {
        DisputeGame.Case memory report = opened(address(disputes.MANAGER())); // has no receive function
        bytes memory one = sign(badKey, resultDigest(id, outcome(1)));
        bytes memory two = sign(badKey, resultDigest(id, outcome(2)));
        vm.prank(address(manager));
        disputes.proveResults(report, outcome(1), one, outcome(2), two);
        vm.expectPartialRevert(DisputeGame.TransferFailed.selector);
        disputes.withdraw(address(manager));
    }

    function test_onlyTheTwoContractsPayIn() public {
        (bool ok, bytes memory reason) = address(disputes).call{value: 1}("");
        check(!ok && bytes4(reason) == DisputeGame.UnexpectedPayment.selector, "refused");
    }

    function test_onlyTheDisputesMark() public {
        vm.expectPartialRevert(ChallengeManager.OnlyDisputes.selector);
        manager.markMember(id, committee, bad);
        vm.expectPartialRevert(ChallengeManager.OnlyDisputes.selector);
        manager.markProver(id, prover.hot);
    }

    function test_constructor_checksThatItWasMeant() public {
        vm.expectRevert(DisputeGame.InvalidParties.selector);
        new DisputeGame(registry, manager, REPORT_BOND);
    }

    // -------------------------------------------------------------------------------------- and settlement

    /// A member at fault no longer counts towards the quorum.
    function test_settle_countsNoMemberAtFault() public {
        proveResults(outcome(1), outcome(2));
        bytes memory proof = proofOf(id, committee, outcome(0x3ff), 0x0ff);
        vm.expectRevert(abi.encodeWithSelector(ChallengeManager.TooFewSigners.selector, 7, 8));
        manager.settle(id, outcome(0x3ff), proof);
        settleIt(id, committee, outcome(0x3ff), 0x1ff);
    }
}
