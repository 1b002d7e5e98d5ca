"""Tables of people with an account: users, their sessions, how their age was learnt, staff."""

from accounts.models.age import AgeVerdict
from accounts.models.approval import Approval
from accounts.models.connections import Block, Connection, ConnectionRequest
from accounts.models.corrections import Confirmation
from accounts.models.emergency import LossNotice
from accounts.models.facts import Fact
from accounts.models.guardians import Guardianship
from accounts.models.handles import new_handle
from accounts.models.invitations import Invitation, Referral, Suppression
from accounts.models.keys import ApiKey
from accounts.models.payments import Payment, PaymentCard, PaymentRead, PaymentToken
from accounts.models.profiles import Audience, Profile, ProfileSetting
from accounts.models.staff import (
    Deputy,
    Duty,
    StaffMember,
    Training,
    Undertaking,
    missing_duties,
)
from accounts.models.users import SecondFactor, Session, User, UserManager

__all__ = [
    "AgeVerdict",
    "ApiKey",
    "Approval",
    "Audience",
    "Block",
    "Confirmation",
    "Connection",
    "ConnectionRequest",
    "Deputy",
    "Duty",
    "Fact",
    "Guardianship",
    "Invitation",
    "LossNotice",
    "Payment",
    "PaymentCard",
    "PaymentRead",
    "PaymentToken",
    "Profile",
    "ProfileSetting",
    "Referral",
    "SecondFactor",
    "Session",
    "StaffMember",
    "Suppression",
    "Training",
    "Undertaking",
    "User",
    "UserManager",
    "missing_duties",
    "new_handle",
]
