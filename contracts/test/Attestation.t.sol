// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChallengeManager} from "../src/ChallengeManager.sol";
import {EcdsaAttestationVerifier} from "../src/EcdsaAttestationVerifier.sol";
import {Messages, Outcome, Request} from "../src/libraries/Messages.sol";
import {Fixture} from "./support/Fixture.sol";

/// @notice Signatures that must not settle, and money that must not move: attacks on ChallengeManager.
contract AttestationTest is Fixture {
    Request private request;
    bytes32 private id;
    address[] private committee;
    Outcome private said;

    function setUp() public override {
        super.setUp();
        addMembers(12);
        vm.warp(START + 1 hours);
        request = strictRequest();
        (id, committee) = fixedChallenge(request);
        said = outcome(0x3ff);
    }

    function refuse(bytes memory proof, bytes4 error) private {
        vm.expectPartialRevert(error);
        manager.settle(id, said, proof);
    }

    function signatures(uint256 from, uint256 count) private view returns (bytes memory all) {
        for (uint256 i = from; i < from + count; ++i) {
            all = bytes.concat(all, sign(keyOf[committee[i]], resultDigest(id, said)));
        }
    }

    /// Eight bits, one signer: every set bit needs its own member's signature.
    function test_oneSignerEightTimes() public {
        bytes memory one = signatures(0, 1);
        bytes memory eight = bytes.concat(one, one, one, one);
        eight = bytes.concat(eight, eight);
        refuse(abi.encode(committee, 0xff, eight), EcdsaAttestationVerifier.NotSignedBy.selector);
    }

    /// A committee that lists one member eight times is not the pinned one.
    function test_aCommitteeOfOneMember() public {
        bytes memory one = signatures(0, 1);
        bytes memory eight = bytes.concat(one, one, one, one);
        eight = bytes.concat(eight, eight);
        address[] memory forged = new address[](10);
        for (uint256 i = 0; i < 10; ++i) {
            forged[i] = committee[0];
        }
        refuse(abi.encode(forged, 0xff, eight), EcdsaAttestationVerifier.WrongCommittee.selector);
        forged = committee;
        (forged[0], forged[1]) = (committee[1], committee[0]);
        refuse(abi.encode(forged, 0xff, signatures(0, 8)), EcdsaAttestationVerifier.WrongCommittee.selector);
    }

    function test_bitsPastTheCommittee() public {
        refuse(
            abi.encode(committee, 0x4ff, signatures(0, 8)), EcdsaAttestationVerifier.SignerOutOfRange.selector
        );
        refuse(
            abi.encode(committee, type(uint256).max, signatures(0, 10)),
            EcdsaAttestationVerifier.SignerOutOfRange.selector
        );
        refuse(
            abi.encode(committee, (1 << 64) | 0xff, signatures(0, 8)),
            EcdsaAttestationVerifier.SignerOutOfRange.selector
        );
    }

    function test_tooFewOrTooManySignatures() public {
        refuse(abi.encode(committee, 0xff, signatures(0, 7)), EcdsaAttestationVerifier.NotSignedBy.selector);
        refuse(
            abi.encode(committee, 0xff, signatures(0, 9)),
            EcdsaAttestationVerifier.WrongSignatureLength.selector
        );
        refuse(abi.encode(committee, 0xff, ""), EcdsaAttestationVerifier.NotSignedBy.selector);
        refuse(abi.encode(committee, 0, ""), ChallengeManager.TooFewSigners.selector);
        bytes memory cut = signatures(0, 8);
        assembly {
            mstore(cut, 519)
        }
        refuse(abi.encode(committee, 0xff, cut), EcdsaAttestationVerifier.NotSignedBy.selector);
    }

    function test_highSAndOddV() public {
        bytes memory all = signatures(0, 8);
        bytes memory bent = bytes.concat(all);
        assembly {
            let s := mload(add(bent, 64))
            mstore(add(bent, 64), sub(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141, s))
        }
        bent[64] = bent[64] == 0x1b ? bytes1(0x1c) : bytes1(0x1b);
        refuse(abi.encode(committee, 0xff, bent), EcdsaAttestationVerifier.NotSignedBy.selector);
        bent = bytes.concat(all);
        bent[64] = bytes1(uint8(bent[64]) - 27);
        refuse(abi.encode(committee, 0xff, bent), EcdsaAttestationVerifier.NotSignedBy.selector);
        manager.settle(id, said, abi.encode(committee, 0xff, all));
    }

    /// Signatures of zeros recover to the zero address, which no committee contains.
    function test_zeroSignatures() public {
        refuse(abi.encode(committee, 0xff, new bytes(65 * 8)), EcdsaAttestationVerifier.NotSignedBy.selector);
    }

    function test_anotherOutcomeThanSigned() public {
        bytes memory proof = proofOf(id, committee, said, 0xff);
        Outcome[4] memory changed = [outcome(0x3ff), outcome(0x3ff), outcome(0x3ff), outcome(0x3fe)];
        changed[0].evidenceHash = "other";
        changed[1].guaranteedKbps += 1;
        changed[2].estimateKbps += 1;
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectPartialRevert(EcdsaAttestationVerifier.NotSignedBy.selector);
            manager.settle(id, changed[i], proof);
        }
    }

    function test_replayOnAnotherChainContractOrChallenge() public {
        bytes memory proof = proofOf(id, committee, said, 0xff);
        uint256 here = block.chainid;
        vm.chainId(5);
        refuse(proof, EcdsaAttestationVerifier.NotSignedBy.selector);
        vm.chainId(here);
        bytes memory foreign;
        bytes32 hash = keccak256(abi.encode(Messages.RESULT_TYPEHASH, id, said));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", domain(address(0xabc), here), hash));
        for (uint256 i = 0; i < 8; ++i) {
            foreign = bytes.concat(foreign, sign(keyOf[committee[i]], digest));
        }
        refuse(abi.encode(committee, 0xff, foreign), EcdsaAttestationVerifier.NotSignedBy.selector);
        // The same committee, outcome and signatures for a second challenge.
        vm.warp(block.timestamp + 1 hours);
        (bytes32 second, address[] memory others) = fixedChallenge(strictRequest());
        bytes memory replay = abi.encode(others, 0xff, signatures(0, 8));
        vm.expectPartialRevert(EcdsaAttestationVerifier.NotSignedBy.selector);
        manager.settle(second, said, replay);
    }

    /// A challenge id is bound to its chain and contract: the same request elsewhere is another challenge.
    function test_challengeIdIsBoundToChainAndContract() public {
        bytes32 here = manager.challengeIdOf(request);
        vm.chainId(5);
        check(manager.challengeIdOf(request) != here, "chain");
        vm.chainId(31337);
        ChallengeManager twin = new ChallengeManager(registry, beacons, verifier, address(1), config());
        check(twin.challengeIdOf(request) != here, "contract");
    }

    // ------------------------------------------------------------------------------------- moving the money

    function test_reentrancy_ofAPayoutGetsNothingMore() public {
        settleIt(id, committee, said, 0xff);
        vm.warp(block.timestamp + DISPUTE_WINDOW + 1);
        Thief thief = new Thief(manager);
        // The member's cold wallet becomes a contract that enters again when it is paid.
        address cold = registry.ownerOf(committee[0]);
        vm.mockCall(
            address(registry), abi.encodeCall(registry.ownerOf, (committee[0])), abi.encode(address(thief))
        );
        check(cold != address(thief), "stand-in");
        thief.arm(committee[0], claimOf(id, 0, committee));
        manager.claim(committee[0], claimOf(id, 0, committee));
        check(thief.blocked(), "the second entry failed");
        same(address(thief).balance, SLOT_FEE, "one fee");
    }

    /// Nobody but the parties' own wallets is ever paid, whoever calls.
    function test_strangersCanMoveMoneyOnlyToItsOwners() public {
        said = outcome(0x1ff);
        settleIt(id, committee, said, 0xff);
        vm.warp(block.timestamp + DISPUTE_WINDOW + 1);
        address stranger = address(0x5712a);
        vm.startPrank(stranger);
        manager.close(id);
        manager.withdraw(REFUND);
        for (uint256 i = 0; i < 9; ++i) {
            manager.claim(committee[i], claimOf(id, i, committee));
        }
        vm.expectRevert(ChallengeManager.NothingToPay.selector);
        manager.withdraw(stranger);
        vm.expectRevert(ChallengeManager.NothingToPay.selector);
        manager.close(id);
        vm.expectRevert(ChallengeManager.NothingToPay.selector);
        manager.withdraw(REFUND);
        same(stranger.balance, 0, "nothing for the stranger");
        same(REFUND.balance, SLOT_FEE, "the payer's rest, once");
    }

    /// A refund address that refuses money hurts neither the prover's bond nor the members' pay.
    function test_aRefundAddressThatRefuses() public {
        vm.warp(block.timestamp + 1 hours);
        Request memory next = strictRequest();
        (uint64 at, bytes memory signature) = acceptance(next, prover.key);
        ChallengeManager.DrawTerms memory made = drawTerms(next);
        vm.prank(payer.hot);
        bytes32 other = manager.open{value: 10 * SLOT_FEE}(next, snapshot(), at, signature, address(verifier));
        reveal(next, "random");
        address[] memory drawn = manager.fixCommittee(next, made);
        settleIt(other, drawn, outcome(1), 0xff);
        vm.warp(block.timestamp + DISPUTE_WINDOW + 1);
        uint256 deposit = manager.accountOf(prover.hot).free;
        manager.close(other);
        check(manager.accountOf(prover.hot).free > deposit, "bond is back");
        manager.claim(drawn[0], claimOf(other, 0, drawn));
        vm.expectPartialRevert(ChallengeManager.TransferFailed.selector);
        manager.withdraw(address(verifier));
    }
}

contract Thief {
    ChallengeManager private immutable MANAGER;
    address private member;
    ChallengeManager.Claim[] private items;
    bool public blocked;

    constructor(ChallengeManager manager) {
        MANAGER = manager;
    }

    function arm(address who, ChallengeManager.Claim[] calldata what) external {
        member = who;
        items.push(what[0]);
    }

    receive() external payable {
        try MANAGER.claim(member, items) {}
        catch (bytes memory reason) {
            blocked = bytes4(reason) == bytes4(keccak256("ReentrancyGuardReentrantCall()"));
        }
    }
}
