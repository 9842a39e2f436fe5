// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IChallengeManager} from "./interfaces/IChallengeManager.sol";
import {IStakeRegistry} from "./interfaces/IStakeRegistry.sol";
import {CommitmentBody, Messages, Outcome, SlotRun, TestimonyBody} from "./libraries/Messages.sol";

/// @title Faults that two signatures prove
/// @notice The four provable faults: two AckLists by the prover, two Results or two Testimonies by a member, a
/// Testimony's seed off its signed Commitment. A verdict needs no judge: the contract sees both signatures. An
/// honest party signs each of these once, so no statement of others can make it guilty.
///
/// A report comes in two steps, so that nobody can copy it out of the pool of pending transactions and take the
/// reward: `announce` a hash with a bond, then prove in a later block. The bond comes back with the proof, and also
/// where somebody else proved the same fault first; an announcement of nothing loses it.
contract DisputeGame is ReentrancyGuardTransient {
    using Messages for SlotRun;

    /// @notice Whom a report accuses, of what challenge, and the salt of its announcement.
    /// @param committee the pinned committee; empty where the prover is accused.
    struct Case {
        bytes32 challengeId;
        address accused;
        bytes32 salt;
        address[] committee;
    }

    /// @notice An announcement: when, and with what bond.
    struct Announcement {
        uint64 blockNumber;
        uint128 bond;
    }

    /// @notice Registry or manager were told another dispute contract, or the bond is zero.
    error InvalidParties();
    /// @notice An announcement costs exactly BOND.
    error WrongBond(uint256 have, uint256 need);
    /// @notice The hash is announced and open.
    error AlreadyAnnounced(bytes32 commitment);
    /// @notice The caller has announced no such report.
    error NotAnnounced(bytes32 commitment);
    /// @notice The proof must come in a later block than the announcement.
    error AnnouncedThisBlock();
    /// @notice Both statements are the same: no contradiction.
    error SameStatement();
    /// @notice The seed is the committed one: no fault.
    error SeedMatches();
    /// @notice One of the statements is not signed by the accused.
    error NotSignedBy(address accused, address signer);
    /// @notice No fault of this accused in this challenge was proven.
    error NotProven();
    /// @notice There is no money for this call to move.
    error NothingToWithdraw();
    /// @notice The receiver refused the money.
    error TransferFailed(address to);
    /// @notice Only the two contracts that slash pay in.
    error UnexpectedPayment(address from);

    /// @notice A report was announced with its bond.
    event Announced(bytes32 indexed commitment, address indexed reporter);
    /// @notice A fault was proven and punished; `reward` was credited to the reporter.
    event FaultProven(
        bytes32 indexed challengeId,
        address indexed accused,
        address indexed reporter,
        Fault fault,
        uint256 reward
    );
    /// @notice An announcement's bond was credited to its reporter.
    event BondReturned(bytes32 indexed commitment, address indexed reporter);
    /// @notice An account's whole credit was paid to it.
    event CreditWithdrawn(address indexed account, uint256 amount);

    enum Fault {
        TwoAckLists,
        TwoResults,
        TwoTestimonies,
        SeedOffCommitment
    }

    /// @notice Wei that an announcement holds until its proof.
    uint128 public immutable BOND;
    /// @notice Where stake is slashed.
    IStakeRegistry public immutable REGISTRY;
    /// @notice Where bonds and fees are forfeited; its EIP-712 domain is that of every statement.
    IChallengeManager public immutable MANAGER;

    /// @notice What a reporter may withdraw.
    mapping(address account => uint256) public credits;
    /// @notice Whether a fault of an accused in a challenge was proven, by keccak-256 of both.
    mapping(bytes32 accusation => bool) public proven;

    mapping(bytes32 commitment => Announcement) private _announcements;

    /// @dev Both contracts were told this address before it existed; a wrong computation ends here.
    constructor(IStakeRegistry registry, IChallengeManager manager, uint128 bond) {
        if (registry.SLASHER() != address(this) || manager.DISPUTES() != address(this) || bond == 0) {
            revert InvalidParties();
        }
        REGISTRY = registry;
        MANAGER = manager;
        BOND = bond;
    }

    /// @notice Rewards come from the two contracts that slash.
    receive() external payable {
        if (msg.sender != address(REGISTRY) && msg.sender != address(MANAGER)) {
            revert UnexpectedPayment(msg.sender);
        }
    }

    // ------------------------------------------------------------------------------------------- announcing

    /// @notice Announces a report. @param commitment see commitmentOf.
    function announce(bytes32 commitment) external payable {
        if (msg.value != BOND) revert WrongBond(msg.value, BOND);
        if (_announcements[commitment].bond != 0) revert AlreadyAnnounced(commitment);
        _announcements[commitment] = Announcement(uint64(block.number), BOND);
        emit Announced(commitment, msg.sender);
    }

    /// @notice The hash to announce; the reporter is part of it, so an announcement serves nobody else.
    function commitmentOf(address reporter, bytes32 challengeId, address accused, bytes32 salt)
        public
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(reporter, challengeId, accused, salt));
    }

    /// @notice Returns the bond of an announcement whose fault somebody else proved first.
    function reclaim(bytes32 challengeId, address accused, bytes32 salt) external {
        if (!proven[_accusation(challengeId, accused)]) revert NotProven();
        credits[msg.sender] += _takeBond(challengeId, accused, salt);
    }

    /// @notice Pays an account's credit to that account. Anyone may call it.
    function withdraw(address account) external nonReentrant {
        uint256 amount = credits[account];
        if (amount == 0) revert NothingToWithdraw();
        credits[account] = 0;
        emit CreditWithdrawn(account, amount);
        (bool ok,) = account.call{value: amount}("");
        if (!ok) revert TransferFailed(account);
    }

    // --------------------------------------------------------------------------------------------- proving

    /// @notice Two AckLists of the prover for one (challenge, slot, attempt).
    /// @param rootsA keccak-256 of the first list's roots, one after the other; @param rootsB of the second's.
    function proveAckLists(
        Case calldata report,
        uint16 slot,
        uint8 attempt,
        bytes32 rootsA,
        bytes calldata signatureA,
        bytes32 rootsB,
        bytes calldata signatureB
    ) external {
        _opened(report);
        SlotRun memory run = SlotRun(report.challengeId, slot, attempt);
        bytes32 a = Messages.hashAckList(run, rootsA);
        bytes32 b = Messages.hashAckList(run, rootsB);
        _bothSigned(report.accused, a, signatureA, b, signatureB);
        uint256 reward = MANAGER.markProver(report.challengeId, report.accused);
        _conclude(report, Fault.TwoAckLists, reward);
    }

    /// @notice Two Results of a member for one challenge.
    function proveResults(
        Case calldata report,
        Outcome calldata outcomeA,
        bytes calldata signatureA,
        Outcome calldata outcomeB,
        bytes calldata signatureB
    ) external {
        _opened(report);
        bytes32 a = Messages.hashResult(report.challengeId, outcomeA);
        bytes32 b = Messages.hashResult(report.challengeId, outcomeB);
        _bothSigned(report.accused, a, signatureA, b, signatureB);
        _concludeMember(report, Fault.TwoResults);
    }

    /// @notice Two Testimonies of a member for one (challenge, slot, attempt).
    function proveTestimonies(
        Case calldata report,
        uint16 slot,
        uint8 attempt,
        TestimonyBody calldata bodyA,
        bytes calldata signatureA,
        TestimonyBody calldata bodyB,
        bytes calldata signatureB
    ) external {
        _opened(report);
        SlotRun memory run = SlotRun(report.challengeId, slot, attempt);
        bytes32 a = Messages.hashTestimony(run, bodyA);
        bytes32 b = Messages.hashTestimony(run, bodyB);
        _bothSigned(report.accused, a, signatureA, b, signatureB);
        _concludeMember(report, Fault.TwoTestimonies);
    }

    /// @notice A Testimony whose seed is not the one of the member's own Commitment.
    function proveSeed(
        Case calldata report,
        uint16 slot,
        uint8 attempt,
        CommitmentBody calldata commitment,
        bytes calldata commitmentSignature,
        TestimonyBody calldata testimony,
        bytes calldata testimonySignature
    ) external {
        _opened(report);
        SlotRun memory run = SlotRun(report.challengeId, slot, attempt);
        if (Messages.seedHash(testimony.seed, run, report.accused) == commitment.seedHash) {
            revert SeedMatches();
        }
        bytes32 a = Messages.hashCommitment(run, commitment);
        bytes32 b = Messages.hashTestimony(run, testimony);
        _bothSigned(report.accused, a, commitmentSignature, b, testimonySignature);
        _concludeMember(report, Fault.SeedOffCommitment);
    }

    // -------------------------------------------------------------------------------------------- internals

    /// The caller announced this accusation in an earlier block; its bond is credited (all of it falls with a
    /// revert further on).
    function _opened(Case calldata report) private {
        bytes32 commitment = commitmentOf(msg.sender, report.challengeId, report.accused, report.salt);
        if (_announcements[commitment].blockNumber == block.number) revert AnnouncedThisBlock();
        credits[msg.sender] += _takeBond(report.challengeId, report.accused, report.salt);
    }

    function _takeBond(bytes32 challengeId, address accused, bytes32 salt) private returns (uint256 bond) {
        bytes32 commitment = commitmentOf(msg.sender, challengeId, accused, salt);
        bond = _announcements[commitment].bond;
        if (bond == 0) revert NotAnnounced(commitment);
        delete _announcements[commitment];
        emit BondReturned(commitment, msg.sender);
    }

    function _bothSigned(
        address accused,
        bytes32 structA,
        bytes calldata signatureA,
        bytes32 structB,
        bytes calldata signatureB
    ) private view {
        if (structA == structB) revert SameStatement();
        _signed(accused, structA, signatureA);
        _signed(accused, structB, signatureB);
    }

    function _signed(address accused, bytes32 structHash, bytes calldata signature) private view {
        address signer = ECDSA.recoverCalldata(MANAGER.digestOf(structHash), signature);
        if (signer != accused) revert NotSignedBy(accused, signer);
    }

    function _concludeMember(Case calldata report, Fault fault) private {
        MANAGER.markMember(report.challengeId, report.committee, report.accused);
        _conclude(report, fault, 0);
    }

    function _conclude(Case calldata report, Fault fault, uint256 reward) private {
        proven[_accusation(report.challengeId, report.accused)] = true;
        reward += REGISTRY.slash(report.accused);
        credits[msg.sender] += reward;
        emit FaultProven(report.challengeId, report.accused, msg.sender, fault, reward);
    }

    function _accusation(bytes32 challengeId, address accused) private pure returns (bytes32) {
        return keccak256(abi.encode(challengeId, accused));
    }
}
