// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The published contract's design, for comparing gas
/// @notice Written anew after what the Solidity of the Proof of Backhaul authors does (multichallengerpob/
/// proof-of-backhaul, pob-contract/contracts/Pob.sol), in ether: one word for a challenge, short numbers in place of
/// addresses, and a coordinator who ends it by pushing equal shares to whom it names. As there, nothing of the
/// measurement reaches the chain: no committee, no signature, no result; a record is never cleared.
contract PublishedDesign {
    error NotCoordinator();
    error TooLate();
    error NothingPaid();
    error TransferFailed();

    event Created(uint256 id, address coordinator, address payer, address prover);

    uint256 private count;
    uint40 private parties;
    mapping(uint256 id => uint256 word) private challenges;
    mapping(uint40 number => address party) private partyOf;
    mapping(address party => uint40 number) private numberOf;

    /// @notice Starts a challenge; its fee is the value sent.
    function start(address prover, address coordinator, uint40 bandwidth, uint40 timeout) external payable {
        if (msg.value == 0) revert NothingPaid();
        uint256 id = ++count;
        uint256 word = (uint256(_numberOf(msg.sender)) << 216) | (uint256(_numberOf(coordinator)) << 176)
            | ((block.timestamp + timeout) << 136) | (uint256(uint80(msg.value)) << 56)
            | (uint256(bandwidth) << 16);
        challenges[id] = word;
        emit Created(id, coordinator, msg.sender, prover);
    }

    /// @notice Pays everybody whom the coordinator names the same share.
    function end(address payable[] calldata members, uint256 id) external {
        uint256 word = challenges[id];
        if (partyOf[uint40(word >> 176)] != msg.sender) revert NotCoordinator();
        if (block.timestamp > uint40(word >> 136)) revert TooLate();
        uint256 share = uint80(word >> 56) / members.length;
        for (uint256 i = 0; i < members.length; ++i) {
            (bool ok,) = members[i].call{value: share}("");
            if (!ok) revert TransferFailed();
        }
    }

    function _numberOf(address party) private returns (uint40 number) {
        number = numberOf[party];
        if (number == 0) {
            number = ++parties;
            numberOf[party] = number;
            partyOf[number] = party;
        }
    }
}
