"""Tables of people with an account: users, their sessions, how their age was learnt, staff."""

from accounts.models.age import AgeVerdict
from accounts.models.handles import new_handle
from accounts.models.keys import ApiKey
from accounts.models.profiles import Audience, Profile, ProfileSetting
from accounts.models.staff import StaffMember
from accounts.models.users import SecondFactor, Session, User, UserManager

__all__ = [
    "AgeVerdict",
    "ApiKey",
    "Audience",
    "Profile",
    "ProfileSetting",
    "SecondFactor",
    "Session",
    "StaffMember",
    "User",
    "UserManager",
    "new_handle",
]
