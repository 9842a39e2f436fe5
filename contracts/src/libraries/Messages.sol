// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What a payer asks for, field by field as in docs/protocol.md section 2; parties are addresses.
struct Request {
    address prover;
    address payer;
    address coordinator;
    uint8 direction;
    uint8 profile;
    uint64 claimKbps;
    uint16 committeeSize;
    uint16 faulty;
    uint16 teams;
    uint32 betaMillionths;
    uint32 deltaMillionths;
    bytes32 registryHash;
    bytes32 beaconChain;
    uint64 beaconRound;
    uint64 expiresAt;
    bytes32 salt;
}

/// @notice A `Result` without its challengeId. `evidenceHash` zero means "no result": see ChallengeManager.
struct Outcome {
    bytes32 evidenceHash;
    uint64 guaranteedKbps;
    uint64 estimateKbps;
    uint256 owed;
}

/// @notice Which run of which slot a signed statement is about.
struct SlotRun {
    bytes32 challengeId;
    uint16 slot;
    uint8 attempt;
}

/// @notice A `Commitment` without its SlotRun.
struct CommitmentBody {
    bytes32 seedHash;
    uint64 rateKbps;
    uint32 packetCount;
}

/// @notice A `Testimony` without its SlotRun. EIP-712 hashes an array to the keccak-256 of its elements, so
/// that hash stands for the array: `ownMicrosHash` binds the signer to the same digest for less calldata.
struct TestimonyBody {
    bytes32 seed;
    bytes32 ackListHash;
    bytes32 ownMicrosHash;
    uint32 rttMicros;
    uint32 latenessMicros;
    uint32 sentPackets;
}

/// @title The protocol's EIP-712 structures (docs/protocol.md section 1.2, docs/inference.md for vouchers) as the contracts hash them
library Messages {
    bytes32 internal constant REQUEST_TYPEHASH = keccak256(
        "Request(address prover,address payer,address coordinator,uint8 direction,uint8 profile,uint64 claimKbps,uint16 committeeSize,uint16 faulty,uint16 teams,uint32 betaMillionths,uint32 deltaMillionths,bytes32 registryHash,bytes32 beaconChain,uint64 beaconRound,uint64 expiresAt,bytes32 salt)"
    );
    bytes32 internal constant ACCEPTANCE_TYPEHASH =
        keccak256("Acceptance(bytes32 challengeId,uint64 acceptedAt)");
    bytes32 internal constant COMMITMENT_TYPEHASH = keccak256(
        "Commitment(bytes32 challengeId,uint16 slot,uint8 attempt,bytes32 seedHash,uint64 rateKbps,uint32 packetCount)"
    );
    bytes32 internal constant ACK_LIST_TYPEHASH =
        keccak256("AckList(bytes32 challengeId,uint16 slot,uint8 attempt,bytes32[] roots)");
    bytes32 internal constant TESTIMONY_TYPEHASH = keccak256(
        "Testimony(bytes32 challengeId,uint16 slot,uint8 attempt,bytes32 seed,bytes32 ackListHash,uint64[] ownMicros,uint32 rttMicros,uint32 latenessMicros,uint32 sentPackets)"
    );
    bytes32 internal constant RESULT_TYPEHASH = keccak256(
        "Result(bytes32 challengeId,bytes32 evidenceHash,uint64 guaranteedKbps,uint64 estimateKbps,uint256 owed)"
    );
    bytes32 internal constant VOUCHER_TYPEHASH =
        keccak256("Voucher(bytes32 channelId,uint96 amountWei,uint64 receipts,bytes32 receiptsHead)");

    function hashRequest(Request calldata request) internal pure returns (bytes32) {
        return keccak256(abi.encode(REQUEST_TYPEHASH, request));
    }

    function hashAcceptance(bytes32 challengeId, uint64 acceptedAt) internal pure returns (bytes32) {
        return keccak256(abi.encode(ACCEPTANCE_TYPEHASH, challengeId, acceptedAt));
    }

    function hashResult(bytes32 challengeId, Outcome calldata outcome) internal pure returns (bytes32) {
        return keccak256(abi.encode(RESULT_TYPEHASH, challengeId, outcome));
    }

    function hashCommitment(SlotRun memory run, CommitmentBody calldata body)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(COMMITMENT_TYPEHASH, run, body));
    }

    function hashAckList(SlotRun memory run, bytes32 rootsHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(ACK_LIST_TYPEHASH, run, rootsHash));
    }

    function hashTestimony(SlotRun memory run, TestimonyBody calldata body) internal pure returns (bytes32) {
        return keccak256(abi.encode(TESTIMONY_TYPEHASH, run, body));
    }

    function hashVoucher(bytes32 channelId, uint96 amountWei, uint64 receipts, bytes32 receiptsHead)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(VOUCHER_TYPEHASH, channelId, amountWei, receipts, receiptsHead));
    }

    /// @notice The seedHash an honest member commits to (docs/protocol.md section 6, keystream).
    function seedHash(bytes32 seed, SlotRun memory run, address member) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encodePacked("plumbline/1/seed", seed, run.challengeId, member, run.slot, run.attempt)
            );
    }
}
